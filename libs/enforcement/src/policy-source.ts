/** Where an enforcement point's policies come from, what is revoked, and whether both are recent enough to decide with. */
import type { DecisionEngine } from '@cogmesh/policy-core';
import { RevocationBook, type Revocations } from './revocation-book.js';

export interface PolicySource {
  readonly engine: DecisionEngine;
  readonly revocations: Revocations;
  /** Throws `stale_policy` when the policies are older than allowed, or were never confirmed. */
  assertFresh(): void;
  /** Calls back after policies or revocations have changed; answers how to stop. */
  onChange(listener: () => void): () => void;
  /**
   * Asks whether what is held is still all there is. True when an answer to a question asked after this call says so, and then it is held:
   * for a refusal that must not come of news that are still on their way.
   */
  confirm(): Promise<boolean>;
  /**
   * Resolves when at least this is in force here: epochs by organisation, and of the revocations. Rejects with `stale_policy` when it
   * does not come in time.
   */
  atLeast(wanted: ConsistencyPoint): Promise<void>;
}

/** What a write left behind, for a read that must see it. */
export interface ConsistencyPoint {
  readonly epochs: Readonly<Record<string, number>>;
  readonly revocations: number;
}

/** The policy service's own engine: it is the source, so it is never stale. */
export function localPolicySource(
  engine: DecisionEngine,
  parts: Partial<Pick<PolicySource, 'revocations' | 'onChange' | 'atLeast'>> = {},
): PolicySource {
  return {
    engine,
    revocations: parts.revocations ?? new RevocationBook(),
    assertFresh: () => {},
    onChange: parts.onChange ?? (() => () => {}),
    confirm: () => Promise.resolve(true),
    atLeast: parts.atLeast ?? (() => Promise.resolve()),
  };
}
