/** The policies in force, and a file as it would be after a push: without grants of its own it keeps those that are given. */
import { parsePolicySet, type PolicySet } from '@cogmesh/policy-core';
import type { CogmeshClient } from '@cogmesh/sdk';
import { namesGrants, requirePolicyFile } from './policy-file.js';
import type { LocatedFile } from './located-file.js';

export interface InForce {
  readonly epoch: number;
  readonly set: PolicySet;
}

export async function readInForce(client: CogmeshClient): Promise<InForce> {
  const { epoch, policySet } = await client.getPolicies();
  return { epoch, set: parsePolicySet(policySet) };
}

export async function readForPush(
  path: string,
  { set: live }: InForce,
): Promise<{ readonly file: LocatedFile; readonly set: PolicySet }> {
  const { file, set } = await requirePolicyFile(path);
  return { file, set: namesGrants(file) ? set : { ...set, grants: live.grants } };
}
