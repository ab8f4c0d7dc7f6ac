/**
 * From the text somebody sent to policies that may be stored: the document is read strictly, every grant's signature is
 * checked, and the whole is compiled once in an engine of its own, so that nothing is stored that cannot be loaded.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { parseStrictJson, type InsideTokenVerifier } from '@cogmesh/identity';
import { DecisionEngine, parsePolicySet, type PartnerGrant, type PolicySet } from '@cogmesh/policy-core';
import { policySetMaxBytes } from './limits.js';
import type { CheckedPolicies } from './policy-store.js';

export type GrantVerifier = Pick<InsideTokenVerifier, 'verifyPartnerGrant'>;

/** `payload_too_large`, or `invalid_policy` with every issue. */
export async function checkPolicies(
  organisation: string,
  json: string,
  verifier: GrantVerifier,
  earlier?: PolicySet,
): Promise<CheckedPolicies> {
  return checkDocument(organisation, readPolicySet(json, earlier), verifier);
}

/** As checkPolicies, for a document that was parsed. */
export async function checkDocument(
  organisation: string,
  document: PolicySet,
  verifier: GrantVerifier,
): Promise<CheckedPolicies> {
  const issues: Issue[] = [];
  if (document.organisation !== undefined && document.organisation !== organisation)
    issues.push({
      path: 'organisation',
      code: 'wrong_organisation',
      message: `is ${document.organisation}, not ${organisation}`,
    });
  const grants = await verifiedGrants(organisation, document, { verifier, issues });
  const [first] = issues;
  if (first !== undefined)
    throw new CogmeshError(
      'invalid_policy',
      `the policy set of ${organisation} is refused; ${first.path}: ${first.message}`,
      { issues },
    );
  new DecisionEngine().replace({ organisation, epoch: 1, document, grants });
  return { document, grants };
}

/** Strict JSON (no repeated keys) to a policy set; with an earlier one only what differs from it is read. */
export function readPolicySet(json: string, earlier?: PolicySet): PolicySet {
  const bytes = Buffer.byteLength(json);
  if (bytes > policySetMaxBytes)
    throw new CogmeshError(
      'payload_too_large',
      `the policy set has ${String(bytes)} bytes, at most ${String(policySetMaxBytes)}`,
      {
        limitBytes: policySetMaxBytes,
      },
    );
  let value: unknown;
  try {
    value = parseStrictJson(json);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CogmeshError('invalid_policy', `the policy set is not acceptable JSON: ${why}`);
  }
  return parsePolicySet(value, earlier);
}

/** Expired grants are accepted, and give no right; a set must not become unwritable by the passing of time. */
async function verifiedGrants(
  organisation: string,
  document: PolicySet,
  { verifier, issues }: { verifier: GrantVerifier; issues: Issue[] },
): Promise<PartnerGrant[]> {
  const grants: PartnerGrant[] = [];
  const ids = new Set<string>();
  for (const [i, jws] of document.grants.entries()) {
    const complain = (message: string) => issues.push({ path: `grants[${String(i)}]`, code: 'invalid_grant', message });
    try {
      const grant = await verifier.verifyPartnerGrant(jws, { anyTime: true });
      if (grant.grantor !== organisation)
        complain(`grant "${grant.id}" was given by ${grant.grantor}, not by ${organisation}`);
      else if (ids.has(grant.id)) complain(`there are two grants with the id "${grant.id}"`);
      ids.add(grant.id);
      grants.push(grant);
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      complain(thrown.message);
    }
  }
  return grants;
}
