/** Where an enforcement point's policies come from, and whether they are recent enough to decide with. */
import type { DecisionEngine } from '@cogmesh/policy-core';

export interface PolicySource {
  readonly engine: DecisionEngine;
  /** Throws `stale_policy` when the policies are older than allowed, or were never confirmed. */
  assertFresh(): void;
}

/** The policy service's own engine: it is the source, so it is never stale. */
export function localPolicySource(engine: DecisionEngine): PolicySource {
  return { engine, assertFresh: () => {} };
}
