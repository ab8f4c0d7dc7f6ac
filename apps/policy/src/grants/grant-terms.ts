/** What a partner grant may say at all, and whether one stays within another. */
import type { PartnerGrantClaims } from '@cogmesh/identity';
import { partnerGrantMaxTtlMs } from '@cogmesh/identity';
import { compileGlob, globProblem, isOrganisationName } from '@cogmesh/policy-core';
import { grantNamesMax, grantTextMaxChars } from '../limits.js';

const actionPattern = /^(?:[a-z][a-z0-9_.-]{0,63}|\*)$/;
const namePattern = /^[^\u0000-\u0020\u007f]{1,128}$/;

/** What is wrong with the terms, as a sentence; undefined when nothing is. */
export function termsProblem(claims: PartnerGrantClaims, nowMs: number): string | undefined {
  const { grantor, grantee, purpose = '', delegations = 0 } = claims;
  if (!isOrganisationName(grantee)) return 'grantee is not the name of an organisation';
  if (grantee === grantor) return 'an organisation grants itself nothing';
  if (purpose.trim() === '' || purpose.length > grantTextMaxChars)
    return `purpose must have 1 to ${String(grantTextMaxChars)} characters`;
  if (delegations !== 0 && delegations !== 1) return 'a grant is passed on at most once (delegations is 0 or 1)';
  return timesProblem(claims, nowMs) ?? listsProblem(claims);
}

function timesProblem({ expiresAtMs, notBeforeMs = 0 }: PartnerGrantClaims, nowMs: number): string | undefined {
  if (!(expiresAtMs > nowMs)) return 'the grant would be over already (expires_at)';
  if (!(expiresAtMs > notBeforeMs)) return 'the grant would end before it begins (not_before)';
  const lastsMs = expiresAtMs - Math.max(notBeforeMs, nowMs);
  return lastsMs <= partnerGrantMaxTtlMs ? undefined : 'a grant lasts at most 90 days (expires_at)';
}

function listsProblem({ actions, resources, roles, attributes }: PartnerGrantClaims): string | undefined {
  for (const [name, list, min] of [
    ['actions', actions, 1],
    ['resources', resources, 1],
    ['roles', roles ?? [], 0],
    ['attributes', attributes ?? [], 0],
  ] as const) {
    if (list.length < min || list.length > grantNamesMax)
      return `${name} must hold ${String(min)} to ${String(grantNamesMax)} entries`;
  }
  const action = actions.find((one) => !actionPattern.test(one));
  if (action !== undefined) return `"${action.slice(0, 80)}" is not an action`;
  const name = [...(roles ?? []), ...(attributes ?? [])].find((one) => !namePattern.test(one));
  if (name !== undefined) return `${JSON.stringify(name.slice(0, 80))} is not a name of a role or an attribute`;
  const glob = resources.find((one) => globProblem(one) !== undefined);
  return glob === undefined ? undefined : `resource ${JSON.stringify(glob)} ${globProblem(glob) ?? ''}`;
}

/** In which respect a delegated grant goes beyond the one it comes from; undefined when in none. */
export function excessOver(parent: PartnerGrantClaims, child: PartnerGrantClaims): string | undefined {
  const notBefore = (claims: PartnerGrantClaims) => claims.notBeforeMs ?? 0;
  if (child.actions.some((action) => !parent.actions.includes('*') && !parent.actions.includes(action)))
    return 'actions';
  if (child.resources.some((glob) => !parent.resources.some((wider) => covers(wider, glob)))) return 'resources';
  if (exceeds(parent.roles, child.roles)) return 'roles';
  if (exceeds(parent.attributes, child.attributes)) return 'attributes';
  if (child.expiresAtMs > parent.expiresAtMs) return 'expires_at';
  return notBefore(child) < notBefore(parent) ? 'not_before' : undefined;
}

function exceeds(ceiling: readonly string[] | undefined, names: readonly string[] | undefined): boolean {
  if (ceiling === undefined) return false;
  return names === undefined || names.some((name) => !ceiling.includes(name));
}

/** Whether everything the glob matches is matched by the wider one; false also where that is hard to tell. */
export function covers(wider: string, glob: string): boolean {
  if (wider === glob) return true;
  if (!glob.includes('*')) return compileGlob(wider).matches(glob.split('/').slice(1));
  const [, base, stars] = /^([^*]*)\/(\*\*?)$/.exec(wider) ?? [];
  if (base === undefined) return false;
  if (stars === '*' && glob === `${base}/**`) return false;
  return glob.startsWith(`${base}/`);
}
