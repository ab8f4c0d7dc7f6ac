/**
 * Whether an owner's signed grants give another organisation's subject a right, and under which ceiling. Signatures were
 * verified before.
 */
import { CogmeshError } from '@cogmesh/errors';
import { compileGlob, globProblem, type Glob } from './glob.js';
import type { PartnerGrant } from './types.js';

export interface GrantAnswer {
  /** Covering grants in force, in the order in which they were given. */
  readonly granted: readonly PartnerGrant[];
  /** A covering one that is over. */
  readonly expired: PartnerGrant | undefined;
  /** When a covering grant begins or ends next; undefined when none does. */
  readonly changesAtMs: number | undefined;
}

export interface GrantQuestion {
  readonly grantee: string;
  readonly action: string;
  readonly segments: readonly string[];
  /** Effective roles of the subject. */
  readonly roles: readonly string[];
  readonly nowMs: number;
}

interface CompiledGrant {
  readonly grant: PartnerGrant;
  readonly actions: ReadonlySet<string>;
  readonly globs: readonly Glob[];
}

/** The grants that one organisation gave, by grantee. */
export class GrantBook {
  readonly #byGrantee = new Map<string, CompiledGrant[]>();

  /** `invalid_policy` when a grant is not the organisation's own or has a bad glob. */
  constructor(organisation: string, grants: readonly PartnerGrant[]) {
    for (const grant of grants) {
      const problem = grantProblem(organisation, grant);
      if (problem !== undefined) throw new CogmeshError('invalid_policy', `grant "${grant.id}": ${problem}`);
      const compiled = { grant, actions: new Set(grant.actions), globs: grant.resources.map(compileGlob) };
      const known = this.#byGrantee.get(grant.grantee);
      if (known === undefined) this.#byGrantee.set(grant.grantee, [compiled]);
      else known.push(compiled);
    }
  }

  find(question: GrantQuestion): GrantAnswer {
    const { nowMs } = question;
    const granted: PartnerGrant[] = [];
    let expired: PartnerGrant | undefined;
    let changesAtMs: number | undefined;
    for (const { grant, ...compiled } of this.#byGrantee.get(question.grantee) ?? []) {
      if (!coversRequest({ grant, ...compiled }, question)) continue;
      const { notBeforeMs = -Infinity, expiresAtMs } = grant;
      // Not `now >= expiry`: a time that is no number must refuse.
      if (!(nowMs < expiresAtMs)) expired = grant;
      else if (nowMs >= notBeforeMs) granted.push(grant);
      for (const edgeMs of [notBeforeMs, expiresAtMs])
        if (nowMs < edgeMs && edgeMs < (changesAtMs ?? Infinity)) changesAtMs = edgeMs;
    }
    return { granted, expired, changesAtMs };
  }
}

function coversRequest({ grant, actions, globs }: CompiledGrant, { action, segments, roles }: GrantQuestion): boolean {
  if (!actions.has(action) && !actions.has('*')) return false;
  if (!globs.some((glob) => glob.matches(segments))) return false;
  return grant.roles === undefined || grant.roles.some((role) => roles.includes(role));
}

function grantProblem(organisation: string, grant: PartnerGrant): string | undefined {
  if (grant.grantor !== organisation) return `given by ${grant.grantor}, not by ${organisation}`;
  if (grant.grantee === organisation) return 'given to the organisation itself';
  for (const glob of grant.resources) {
    const problem = globProblem(glob);
    if (problem !== undefined) return `resource ${JSON.stringify(glob)} ${problem}`;
  }
  return undefined;
}
