/** A verified bundle -> what the decision engine takes: the document parsed again, its partner grants verified one by one. */
import { CogmeshError } from '@cogmesh/errors';
import { keyIdOfToken, type BundleClaims, type InsideTokenVerifier, type PartnerGrantClaims } from '@cogmesh/identity';
import type { Revocations } from './revocation-book.js';
import { parsePolicySet, type OrganisationPolicies } from '@cogmesh/policy-core';

export interface BundlePolicies {
  readonly policies: OrganisationPolicies;
  /** `kid` of the key that signed each grant, by the grant's id; empty where it names none. */
  readonly grantKeys: ReadonlyMap<string, string>;
  /** One sentence per grant that was left out because it is not genuine. */
  readonly refusedGrants: readonly string[];
}

/** Throws `invalid_policy` when the document is not one. A bad grant is left out: it gives no right, and the rest stands. */
export async function policiesOfBundle(
  bundle: BundleClaims,
  verifier: Pick<InsideTokenVerifier, 'verifyPartnerGrant'>,
): Promise<BundlePolicies> {
  const document = parsePolicySet(bundle.policies);
  const grants: PartnerGrantClaims[] = [];
  const grantKeys = new Map<string, string>();
  const refusedGrants: string[] = [];
  for (const jws of document.grants) {
    try {
      const grant = await verifier.verifyPartnerGrant(jws, { anyTime: true });
      if (grant.grantor !== bundle.organisation)
        throw new CogmeshError('invalid_grant', `grant "${grant.id}" is given by ${grant.grantor}`);
      grants.push(grant);
      grantKeys.set(grant.id, keyIdOfToken(jws) ?? '');
    } catch (error) {
      if (!(error instanceof CogmeshError)) throw error;
      refusedGrants.push(error.message);
    }
  }
  const policies = { organisation: bundle.organisation, epoch: bundle.epoch, document, grants };
  return { policies, grantKeys, refusedGrants };
}

/** The same without the grants that are revoked now. */
export function withoutRevoked(
  { policies, grantKeys }: BundlePolicies,
  revocations: Revocations,
  nowMs: number,
): OrganisationPolicies {
  const grants = policies.grants.filter(
    ({ id, grantor }) => !revocations.isGrantRevoked({ grantor, id, keyId: grantKeys.get(id) ?? '' }, nowMs),
  );
  return grants.length === policies.grants.length ? policies : { ...policies, grants };
}
