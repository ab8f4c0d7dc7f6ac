/**
 * Decides slowly and obviously: every rule in turn, globs as regular expressions made from their definition, conditions
 * node by node. No index, no cache, nothing compiled, no Casbin. Shares no code with the engine.
 */
import type { PartnerGrant } from '../../src/index.js';
import type { Truth, View } from './expression.js';
import type { WorldOrganisation, WorldRequest, WorldRule } from './world.js';

export interface Answer {
  allowed: boolean;
  code: string;
  rules: string[];
  obligations: string[];
  grantId: string | undefined;
}

interface Person {
  roles: string[];
  /** A role binding failed, so there may be more. */
  doubt: boolean;
}

interface Finding {
  code: 'allowed' | 'no_matching_allow' | 'denied_by_rule' | 'deny_rule_failed';
  deciding: WorldRule[];
}

const refused = (code: string): Answer => ({ allowed: false, code, rules: [], obligations: [], grantId: undefined });

export function referenceDecision(world: readonly WorldOrganisation[], request: WorldRequest): Answer {
  const { path, resource, subject } = request;
  if (path === undefined) return refused('invalid_request');
  const caller = world.find(({ name }) => name === subject.organisation);
  const owningName = resource.type === 'model' ? resource.id.split('/')[0] : (request.owner ?? subject.organisation);
  const owner = world.find(({ name }) => name === owningName);
  if (caller === undefined || owner === undefined) return refused('unknown_organisation');
  const person = rolesIn(caller, request, path, owner.name);
  if (owner === caller) return answerOf([judge(owner, request, { path, owner: owner.name, person })], undefined);
  return acrossDecision({ owner, caller, request, path, person });
}

function answerOf(findings: Finding[], grantId: string | undefined): Answer {
  const refusal = findings.find(({ code }) => code !== 'allowed');
  const deciding = refusal === undefined ? findings.flatMap((each) => each.deciding) : refusal.deciding;
  return {
    allowed: refusal === undefined,
    code: refusal?.code ?? 'allowed',
    rules: deciding.map(({ id }) => id),
    obligations: deciding.flatMap((rule) => rule.obligations.map(({ id }) => id)),
    grantId,
  };
}

interface Across {
  owner: WorldOrganisation;
  caller: WorldOrganisation;
  request: WorldRequest;
  path: string;
  person: Person;
}

function acrossDecision({ owner, caller, request, path, person }: Across): Answer {
  const covering = owner.grants.filter((grant) => covers(grant, caller.name, request, { path, person }));
  const inForce = covering.filter(
    (grant) => (grant.notBeforeMs ?? 0) <= request.nowMs && request.nowMs < grant.expiresAtMs,
  );
  const over = covering.some((grant) => request.nowMs >= grant.expiresAtMs);
  const [first] = inForce;
  if (first === undefined) return refused(over ? 'grant_expired' : 'no_grant');
  const at = { path, owner: owner.name, person };
  const whole = judge(owner, request, at);
  if (whole.code !== 'allowed') return answerOf([whole], first.id);
  const under = inForce.map((grant) => ({ grant, cut: judgeUnder(grant, owner, request, at) }));
  const fitting = under.find(({ cut }) => cut.code === 'allowed');
  if (fitting === undefined) return answerOf([under[0]?.cut ?? whole], first.id);
  const deciding = [...whole.deciding, ...fitting.cut.deciding.filter((rule) => !whole.deciding.includes(rule))];
  const ofCaller = judge(caller, request, at);
  return answerOf([{ code: 'allowed', deciding }, ofCaller], fitting.grant.id);
}

function covers(
  grant: PartnerGrant,
  grantee: string,
  { action }: WorldRequest,
  { path, person }: { path: string; person: Person },
): boolean {
  if (grant.grantee !== grantee) return false;
  if (!grant.actions.includes(action) && !grant.actions.includes('*')) return false;
  if (!grant.resources.some((glob) => globMatches(glob, path))) return false;
  return grant.roles?.some((role) => person.roles.includes(role)) ?? true;
}

interface At {
  path: string;
  owner: string;
  person: Person;
}

function judgeUnder(grant: PartnerGrant, owner: WorldOrganisation, request: WorldRequest, at: At): Finding {
  const roles = at.person.roles.filter((role) => grant.roles?.includes(role) ?? true);
  const attributes = Object.fromEntries(
    Object.entries(request.subject.attributes).filter(([name]) => grant.attributes?.includes(name) ?? true),
  );
  const cut = { ...request, subject: { ...request.subject, attributes } };
  return judge(owner, cut, { ...at, person: { ...at.person, roles } });
}

function judge(party: WorldOrganisation, request: WorldRequest, at: At): Finding {
  const foreign = request.subject.organisation !== party.name;
  const covering = party.rules.filter(
    (rule) =>
      (rule.permissions.includes(request.action) || rule.permissions.includes('*')) &&
      rule.resources.some((glob) => globMatches(glob, at.path)),
  );
  const judged = covering.map((rule) => ({
    rule,
    truth: truthOf(rule, viewOf(party, request, at), { foreign, ...at.person }),
  }));
  const denying = judged.find(({ rule, truth }) => rule.effect === 'deny' && truth !== false);
  if (denying !== undefined)
    return { code: denying.truth === 'error' ? 'deny_rule_failed' : 'denied_by_rule', deciding: [denying.rule] };
  const allowing = judged
    .filter(({ rule, truth }) => rule.effect === 'allow' && truth === true)
    .map(({ rule }) => rule);
  return allowing.length === 0 ? { code: 'no_matching_allow', deciding: [] } : { code: 'allowed', deciding: allowing };
}

function viewOf(party: WorldOrganisation, request: WorldRequest, { path, owner, person }: At): View {
  const { subject, resource } = request;
  return {
    sub: subject.sub,
    issuer: subject.issuer,
    org: subject.organisation,
    role: '',
    roles: person.roles,
    action: request.action,
    type: resource.type,
    path,
    owner,
    attributes: {
      ...subject.attributes,
      ...(party.name === subject.organisation ? party.entities[`user:${subject.sub}`]?.attributes : {}),
    },
    context: request.context ?? {},
    resourceAttributes: {
      ...request.resourceAttributes,
      ...(party.name === owner ? request.informed : {}),
      ...party.entities[`${resource.type}:${resource.id}`]?.attributes,
    },
    topology: party.topology,
  };
}

function truthOf({ effect, when }: WorldRule, view: View, about: { foreign: boolean; doubt: boolean }): Truth {
  if (when === undefined) return true;
  const aboutRoles = when.names.includes('role') || when.names.includes('roles');
  const saysWhose = when.names.includes('org_id') || when.names.includes('issuer');
  if (aboutRoles && effect === 'allow' && about.foreign && !saysWhose) return false;
  const truth = withEachRole(when.names.includes('role'), effect, view, when.truth);
  return truth === false && effect === 'deny' && aboutRoles && about.doubt ? 'error' : truth;
}

function withEachRole(tryEach: boolean, effect: string, view: View, truth: (view: View) => Truth): Truth {
  if (!tryEach) return truth(view);
  if (view.roles.length === 0 && effect === 'allow') return false;
  const tries = (view.roles.length === 0 ? [''] : view.roles).map((role) => truth({ ...view, role }));
  return tries.includes(true) ? true : tries.includes('error') ? 'error' : false;
}

function rolesIn(caller: WorldOrganisation, request: WorldRequest, path: string, owner: string): Person {
  const view = viewOf(caller, request, { path, owner, person: { roles: [], doubt: false } });
  const { sub, issuer } = request.subject;
  const bound = caller.bindings
    .filter(({ subjects }) => subjects.some((each) => each.sub === sub && (each.issuer ?? issuer) === issuer))
    .map(({ role, when }) => ({ role, truth: when?.truth(view) ?? true }));
  const given = bound.filter(({ truth }) => truth === true).map(({ role }) => role);
  return {
    roles: closure(caller.inherits, [...request.subject.roles, ...given]),
    doubt: bound.some(({ truth }) => truth === 'error'),
  };
}

function closure(inherits: Record<string, string[]>, roles: string[]): string[] {
  const more = roles.flatMap((role) => inherits[role] ?? []).filter((role) => !roles.includes(role));
  return more.length === 0 ? [...new Set(roles)] : closure(inherits, [...new Set([...roles, ...more])]);
}

function globMatches(glob: string, path: string): boolean {
  const source = glob
    .replace(/[.$^+?()[\]{}|\\]/g, '\\$&')
    .replace(/\/\*\*$/, '(?:/.+)?')
    .replace(/\/\*$/, '/.+')
    .replaceAll(/(?<!\.)\*/g, '[^/]*');
  return new RegExp(`^${source}$`, 'u').test(path);
}
