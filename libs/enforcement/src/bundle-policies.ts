/** A verified bundle -> what the decision engine takes: the document parsed again, its partner grants verified one by one. */
import { CogmeshError } from '@cogmesh/errors';
import { namesOfToken, type BundleClaims, type InsideTokenVerifier, type PartnerGrantClaims } from '@cogmesh/identity';
import type { Revocations } from './revocation-book.js';
import { parsePolicySet, type OrganisationPolicies, type PolicySet } from '@cogmesh/policy-core';

export interface BundlePolicies {
  readonly policies: OrganisationPolicies;
  /** One sentence per grant that was left out because it is not genuine. */
  readonly refusedGrants: readonly string[];
}

/**
 * Throws `invalid_policy` when the document is not one. A bad grant is left out: it gives no right, and the rest stands.
 * With what was held before, only what differs from it is read.
 */
export async function policiesOfBundle(
  bundle: BundleClaims,
  verifier: Pick<InsideTokenVerifier, 'verifyPartnerGrant'>,
  earlier?: PolicySet,
): Promise<BundlePolicies> {
  const document = parsePolicySet(bundle.policies, earlier);
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
  const policies = { organisation: bundle.organisation, epoch: bundle.epoch, document, grants };
  return { policies, refusedGrants };
}

/** The same without the grants that are revoked now, or whose signing key is. */
export function withoutRevoked(
  policies: OrganisationPolicies,
  revocations: Revocations,
  nowMs: number,
): OrganisationPolicies {
  if (policies.grants.length === 0) return policies;
  const keys = new Map(policies.document.grants.map(namesOfToken).map(({ id, keyId }) => [id, keyId]));
  const grants = policies.grants.filter(
    ({ id, grantor }) => !revocations.isGrantRevoked({ grantor, id, keyId: keys.get(id) ?? '' }, nowMs),
  );
  return grants.length === policies.grants.length ? policies : { ...policies, grants };
}
