/** What the engine is told by its configuration; `config.ts` documents each. */
import type { RunLimits, TaskDefaults } from '@cogmesh/scheduling-core';

export interface EngineSettings {
  readonly strategy: 'load-aware' | 'round-robin';
  readonly leaseMs: number;
  /** A published task that nobody started by then is taken back. */
  readonly startWithinMs: number;
  /** Tasks claimed by one transaction. */
  readonly claimBatch: number;
  /** Unstarted work in one shared queue. */
  readonly sharedOutstanding: number;
  readonly resultSenders: readonly string[];
  readonly maxInlineBytes: number;
  readonly limits: RunLimits;
  readonly defaults: TaskDefaults;
  readonly ageingMs: number;
  /** Attempts of one task lost with their agents before it is taken for the cause. */
  readonly poisonAfter: number;
}

/** Work is taken back this much after its `notAfter`, so that an agent whose clock is a little behind is not overtaken. */
export const expiryGraceMs = 1_000;
