/**
 * Turns ready tasks into claimed and published work. It is woken by whatever may let something start (decisions, credits,
 * limits, agents) and looks once, after what woke it has ended and before anything is stored: so a result, the release of
 * its children and their claims are one flush. It follows what memory decides and is as wrong as memory for as long.
 */
import type { FairOrder } from '../fair-order.js';
import { stretchMs } from './breath.js';
import type { Claims, Reservation } from './claims.js';
import type { Controls } from './controls.js';
import type { Credits } from './credits.js';
import type { Deferrals } from './deferrals.js';
import type { Publisher, Targets } from './dispatch-ports.js';
import type { Effects } from './effects.js';
import type { Engine, EngineListener } from './engine.js';
import type { Snapshot } from './ports.js';
import type { ReadyHeads } from './ready-heads.js';
import type { Recovery } from './recovery.js';
import type { ReadyEntry } from './rows.js';

export interface DispatcherOptions {
  readonly engine: Engine;
  readonly order: FairOrder<ReadyEntry>;
  readonly heads: ReadyHeads;
  readonly controls: Controls;
  readonly claims: Claims;
  readonly targets: Targets;
  readonly credits: Credits;
  readonly publisher: Publisher;
  readonly recovery: Recovery;
  readonly deferrals: Deferrals;
  /** Tasks claimed by one decision. */
  readonly claimBatch: number;
}

export class Dispatcher implements EngineListener {
  readonly #options: DispatcherOptions;
  #isAwake = false;
  #isStopped = false;
  #isSettled = false;
  /** When the turn of the event loop began in which it looked first. */
  #turnSince: number | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Nothing more is claimed; what is claimed is published or stays in its row. */
  stop(): void {
    this.#isStopped = true;
    this.#options.deferrals.clear();
  }

  /** Memory agrees with the store as far as is known. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Something may start that could not before. */
  wake(): void {
    if (this.#isAwake || this.#isStopped) return;
    this.#isAwake = true;
    // A long chain of decisions lets others have a turn now and then.
    if (this.#hasHadItsTurn()) this.#options.engine.clock.soon(() => this.#look());
    else queueMicrotask(() => this.#look());
  }

  reset(): void {
    const { heads, controls, claims, deferrals } = this.#options;
    this.#isSettled = false;
    deferrals.clear();
    controls.reset();
    claims.reset();
    heads.reset();
  }

  restored(snapshot: Snapshot): void {
    if (this.#isStopped) return;
    this.#options.recovery.restored(snapshot);
    this.#isSettled = true;
    this.wake();
  }

  decided(effects: Effects): void {
    const { heads, controls, credits } = this.#options;
    for (const attemptId of effects.freed) credits.release(attemptId);
    for (const entry of effects.claimed) heads.left(entry);
    for (const entry of effects.ready) heads.offer(entry, effects.handedBack.has(entry.key));
    // After the ready ones: a task may become ready and be cancelled by one decision.
    for (const entry of effects.unready) heads.left(entry);
    for (const entry of effects.reprioritised) heads.reprioritise(entry);
    for (const ref of effects.aggregate) controls.join(ref);
    for (const runId of effects.finalise) controls.finish(runId);
    for (const runId of effects.answered) controls.answer(runId);
    for (const runId of effects.orphaned) controls.endOrphan(runId);
    this.wake();
  }

  #look(): void {
    this.#isAwake = false;
    if (this.#isStopped || !this.#options.engine.isOpen) return;
    this.#options.controls.step();
    while (this.#claim()) continue;
  }

  /** False when nothing more can be taken now. */
  #claim(): boolean {
    const { order, targets, claims, publisher, claimBatch } = this.#options;
    if (publisher.isBlocked || !claims.hasRoom) return false;
    const taken: Reservation[] = [];
    order.take(
      claimBatch,
      (need) => targets.hasRoom(need),
      (entry) => {
        const reservation = claims.reserve(entry);
        if (reservation) taken.push(reservation);
      },
    );
    if (taken.length > 0) claims.commit(taken);
    return taken.length > 0;
  }

  #hasHadItsTurn(): boolean {
    const { clock } = this.#options.engine;
    const now = clock.now();
    if (this.#turnSince !== undefined) return now - this.#turnSince >= stretchMs;
    this.#turnSince = now;
    clock.soon(() => (this.#turnSince = undefined));
    return false;
  }
}
