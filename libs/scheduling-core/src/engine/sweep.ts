/** What the sweeper's looks share: what they look at, and what they answer. */
import type { Claims } from './claims.js';
import type { Controls } from './controls.js';
import type { Credits } from './credits.js';
import type { Engine } from './engine.js';
import type { EngineStore } from './ports.js';
import type { ReadyHeads } from './ready-heads.js';
import type { FairOrder } from '../fair-order.js';
import type { ReadyEntry } from './rows.js';
import type { Timers } from './timers.js';

/**
 * `place`: a ready task that is offered to nobody, or one that is offered and not ready. `step`: a join, an end, an answer
 * that nobody takes. `timer`: a time that nobody looks at. `attempt`: memory and store differ in who holds what. `credit`: in
 * use by nobody, or not counted. `count`: a counter that says something else than what it counts. `stuck`: a task that waits
 * for nothing.
 */
export type SweepKind = 'place' | 'step' | 'timer' | 'attempt' | 'credit' | 'count' | 'stuck';

export const sweepKinds: readonly SweepKind[] = ['place', 'step', 'timer', 'attempt', 'credit', 'count', 'stuck'];

/** Something that may not be so for long. */
export interface Suspicion {
  readonly kind: SweepKind;
  /** For a person: whose, and what is wrong. */
  readonly says: string;
  /** The row, or what was counted, as it was: the same suspicion has the same evidence. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** Puts it right; without one memory is read anew. May be done twice. */
  readonly mend?: (() => void) | undefined;
}

export interface SweepParts {
  readonly engine: Engine;
  readonly store: Pick<EngineStore, 'snapshot' | 'ready' | 'due'>;
  readonly order: FairOrder<ReadyEntry>;
  readonly heads: ReadyHeads;
  readonly controls: Controls;
  readonly claims: Claims;
  readonly credits: Credits;
  readonly timers: Timers;
}

/** Somebody prepares the ready task, or claims it. */
export const isWorkedOn =
  ({ controls, claims }: Pick<SweepParts, 'controls' | 'claims'>) =>
  (key: string): boolean =>
    controls.isPreceding(key) || claims.isClaiming(key);
