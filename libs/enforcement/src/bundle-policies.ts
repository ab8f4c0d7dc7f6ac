/** A verified bundle -> what the decision engine takes: the document parsed again, its partner grants verified one by one. */
import { CogmeshError } from '@cogmesh/errors';
import type { BundleClaims, InsideTokenVerifier, PartnerGrantClaims } from '@cogmesh/identity';
import { parsePolicySet, type OrganisationPolicies } from '@cogmesh/policy-core';

export interface BundlePolicies {
  readonly policies: OrganisationPolicies;
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
  const refusedGrants: string[] = [];
  for (const jws of document.grants) {
    try {
      const grant = await verifier.verifyPartnerGrant(jws, { anyTime: true });
      if (grant.grantor !== bundle.organisation)
        throw new CogmeshError('invalid_grant', `grant "${grant.id}" is given by ${grant.grantor}`);
      grants.push(grant);
    } catch (error) {
      if (!(error instanceof CogmeshError)) throw error;
      refusedGrants.push(error.message);
    }
  }
  return { policies: { organisation: bundle.organisation, epoch: bundle.epoch, document, grants }, refusedGrants };
}
