/**
 * What memory that was read anew calls for: credits in use, steps that nobody has taken, claims that nobody is publishing.
 * Those are published again under the same attempt ids; on a bus that forgets, published work is taken back.
 */
import type { Claims } from './claims.js';
import type { Controls } from './controls.js';
import type { Credits } from './credits.js';
import type { OnTrouble, Publisher } from './dispatch-ports.js';
import type { Engine } from './engine.js';
import type { HeldAttempt } from './new-run.js';
import type { Snapshot } from './ports.js';
import type { ReadyHeads } from './ready-heads.js';
import { takeBack } from './take-back.js';

export interface RecoveryOptions {
  readonly engine: Engine;
  readonly credits: Credits;
  readonly heads: ReadyHeads;
  readonly controls: Controls;
  readonly claims: Claims;
  readonly publisher: Publisher;
  /** What was published before this process started is still there. */
  readonly busIsDurable: boolean;
  readonly onTrouble: OnTrouble;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  #isFirst = true;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  restored({ held, lanes, aggregate, finalise, answered, orphaned }: Snapshot): void {
    const { credits, heads, controls } = this.#options;
    credits.rebuild(held);
    heads.restored(lanes);
    for (const ref of aggregate) controls.join(ref);
    for (const runId of finalise) controls.finish(runId);
    for (const runId of answered) controls.answer(runId);
    for (const runId of orphaned) controls.endOrphan(runId);
    if (this.#isFirst && !this.#options.busIsDurable) this.#settlePublished(held);
    this.#isFirst = false;
    this.#publishClaimed(held);
  }

  /** What a bus that forgets may have lost. When it fails here, the time-out of the start does the same. */
  #settlePublished(held: readonly HeldAttempt[]): void {
    const { engine, onTrouble } = this.#options;
    const published = held.filter(({ state }) => state === 'PUBLISHED');
    takeBack(engine, published, 'returned').catch((error: unknown) => onTrouble(error, 'taking back published work'));
  }

  #publishClaimed(held: readonly HeldAttempt[]): void {
    const { claims, publisher } = this.#options;
    const publishing = publisher.publishing();
    const claimed = held.filter(({ state, attemptId }) => state === 'CLAIMED' && !publishing.has(attemptId));
    if (claimed.length > 0) void claims.publishAgain(claimed.map(({ attemptId }) => attemptId));
  }
}
