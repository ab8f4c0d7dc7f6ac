/** Whether an owner's signed grants give another organisation's subject a right. Signatures were verified before. */
import { CogmeshError } from '@cogmesh/errors';
import { segmentsOf } from './canonical-path.js';
import { compileGlob, globProblem, type Glob } from './glob.js';
import type { PartnerGrant } from './types.js';

export type GrantAnswer =
  | { readonly kind: 'granted'; readonly grant: PartnerGrant }
  | { readonly kind: 'expired'; readonly grant: PartnerGrant }
  | { readonly kind: 'none' };

export interface GrantQuestion {
  readonly grantee: string;
  readonly action: string;
  readonly path: string;
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
      this.#byGrantee.set(grant.grantee, [...(this.#byGrantee.get(grant.grantee) ?? []), compiled]);
    }
  }

  /** A covering grant in force, else a covering one that has expired, else none. */
  find({ grantee, action, path, nowMs }: GrantQuestion): GrantAnswer {
    const segments = segmentsOf(path);
    let expired: PartnerGrant | undefined;
    for (const { grant, actions, globs } of this.#byGrantee.get(grantee) ?? []) {
      if (!actions.has(action) && !actions.has('*')) continue;
      if (!globs.some((glob) => glob.matches(segments))) continue;
      // Not `now < expiry`: a time that is no number must refuse.
      if (!(nowMs < grant.expiresAtMs)) expired = grant;
      else if (grant.notBeforeMs === undefined || nowMs >= grant.notBeforeMs) return { kind: 'granted', grant };
    }
    return expired === undefined ? { kind: 'none' } : { kind: 'expired', grant: expired };
  }
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
