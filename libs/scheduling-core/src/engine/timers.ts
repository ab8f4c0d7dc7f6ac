/**
 * Everything that waits for a time: retries, sleeps, leases, time-outs, unstarted work, queue time-outs, deadlines. Runs in
 * memory have their times in memory; the store is asked for those of other runs. One wake-up is pending at any moment, at
 * most a second away. Nothing is lost when the store does not answer: what was due stays due.
 */
import { toCogmeshError, type CogmeshError } from '@cogmesh/errors';
import { isHeld } from '../states.js';
import { Alarms, isTask, runIdOf, type Timed } from './alarms.js';
import { deadlineCame, taskCameDue, type Firing } from './come-due.js';
import type { Effects } from './effects.js';
import type { Engine } from './engine.js';
import { leaseFrom } from './leases.js';
import type { EngineStore } from './ports.js';
import type { ResidentRun } from './resident-run.js';
import type { TaskRow } from './rows.js';

/** Rows fired by one decision, and runs read at once. */
const batch = 500;
/** Between two questions to the store, milliseconds; as far ahead it asks. */
const pollMs = 1_000;
/** Between two questions when the answer was as long as it may be. */
const busyPollMs = 100;
/** A wake-up that is later than this says that we slept, and could not hear renewals; milliseconds. */
const stallMs = 2_000;

export interface TimersOptions {
  readonly engine: Engine;
  readonly store: Pick<EngineStore, 'due'>;
  readonly leaseMs: number;
  readonly poisonAfter: number;
  /** How long to rest after failures in a row, milliseconds. */
  readonly backoff: { next(): number; succeeded(): void };
  readonly onError: (error: CogmeshError, restMs: number) => void;
}

export class Timers {
  readonly #options: TimersOptions;
  readonly #alarms: Alarms;
  readonly #acting = new Set<Promise<void>>();
  /** Their time has come; what it means is not decided yet. */
  readonly #firing = new Set<Timed>();
  #isRunning = false;
  #isStopped = false;
  #cancelWake: (() => void) | undefined;
  #wakeAt = Infinity;
  #pollAt = Infinity;
  /** After a failure nothing fires before. */
  #restUntil = 0;
  /** No lease is lost before. */
  #graceUntil = 0;
  /** Of memory; what a poll of an older one finds out counts no more. */
  #session = 0;

  constructor(options: TimersOptions) {
    this.#options = options;
    this.#alarms = new Alarms(options.engine.residents);
    options.engine.listen({
      reset: () => this.#reset(),
      restored: () => this.#start(),
      loaded: (run) => this.#loaded(run),
      evicted: (run) => this.#alarms.left(run.size),
      decided: (effects) => this.#decided(effects),
    });
  }

  /** Alarms that are set, dead ones included. */
  get size(): number {
    return this.#alarms.size;
  }

  /** It is looked at when its time comes, or is being looked at. */
  isWatched(row: Timed): boolean {
    return row.dueAt === null || this.#alarms.isSet(row) || this.#firing.has(row);
  }

  /** Looks at the row when its time comes. */
  watch(row: Timed): void {
    this.#alarms.set(row);
    this.#plan();
  }

  /** Looks at runs that are not in memory, now. */
  look(runIds: readonly string[]): Promise<void> {
    const { engine, poisonAfter } = this.#options;
    return engine.transact(runIds, (unit, outcomes) => {
      for (const run of unit.runs) allOf({ unit, outcomes, poisonAfter }, run);
    });
  }

  /** Nothing fires any more; what is under way comes to its end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#reset();
    await Promise.all(this.#acting);
  }

  #reset(): void {
    this.#isRunning = false;
    this.#session += 1;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeAt = Infinity;
    this.#pollAt = Infinity;
    this.#restUntil = 0;
    this.#alarms.clear();
  }

  #start(): void {
    this.#isRunning = !this.#isStopped;
    this.#pollAt = this.#options.engine.now();
    this.#plan();
  }

  #loaded(run: ResidentRun): void {
    const { engine, leaseMs } = this.#options;
    for (const task of run.tasks) {
      // Renewals could not reach it while it was not in memory: the silence was ours.
      if (task.state === 'RUNNING' && task.attemptId !== null) {
        Object.assign(task, leaseFrom(engine.now(), task, leaseMs));
      }
      this.#alarms.set(task);
    }
    this.#alarms.set(run.row);
    this.#plan();
  }

  #decided({ timed, deadlines }: Effects): void {
    if (timed.length + deadlines.length === 0) return;
    for (const row of timed) this.#alarms.set(row);
    for (const row of deadlines) this.#alarms.set(row);
    this.#plan();
  }

  #plan(): void {
    if (!this.#isRunning) return;
    const { engine } = this.#options;
    const now = engine.now();
    const soonest = Math.min(this.#alarms.soonest ?? Infinity, this.#pollAt, now + pollMs);
    const at = Math.max(soonest, this.#restUntil, now);
    if (at >= this.#wakeAt) return;
    this.#cancelWake?.();
    this.#wakeAt = at;
    this.#cancelWake = engine.clock.after(at - now, () => this.#wake());
  }

  #wake(): void {
    const { engine, leaseMs } = this.#options;
    const now = engine.now();
    if (now - this.#wakeAt > stallMs) this.#graceUntil = now + leaseMs;
    this.#wakeAt = Infinity;
    this.#cancelWake = undefined;
    if (now >= this.#pollAt) this.#track(this.#poll());
    const due = this.#alarms.take(now, batch).filter((row) => !this.#isRenewed(row, now));
    if (due.length > 0) this.#track(this.#fire(due));
    this.#plan();
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#acting.delete(tracked));
    this.#acting.add(tracked);
  }

  /** Its lease was renewed: looked at again when that is over, without a decision. */
  #isRenewed(row: Timed, now: number): boolean {
    if (!isTask(row) || row.state !== 'RUNNING' || row.leaseUntil === null) return false;
    if (row.timeoutAt !== null && row.timeoutAt <= now) return false;
    const leaseUntil = Math.max(row.leaseUntil, this.#graceUntil);
    if (leaseUntil <= now) return false;
    row.leaseUntil = leaseUntil;
    row.dueAt = Math.min(leaseUntil, row.timeoutAt ?? leaseUntil);
    this.#alarms.set(row);
    return true;
  }

  async #fire(due: readonly Timed[]): Promise<void> {
    const { engine, poisonAfter } = this.#options;
    for (const row of due) this.#firing.add(row);
    try {
      await engine.transact(due.map(runIdOf), (unit, outcomes) => {
        const firing = { unit, outcomes, poisonAfter };
        for (const row of due) if (!isTask(row)) forRun(firing, row.id);
        for (const row of due) if (isTask(row)) forTask(firing, row);
      });
      this.#options.backoff.succeeded();
    } catch (thrown) {
      // Those of a memory that was thrown away are no longer asked for.
      for (const row of due) this.#alarms.set(row);
      this.#restUntil = engine.now() + this.#failed(thrown);
      this.#plan();
    } finally {
      for (const row of due) this.#firing.delete(row);
    }
  }

  /** Of runs that are not in memory. */
  async #poll(): Promise<void> {
    const { engine, store, backoff } = this.#options;
    const session = this.#session;
    this.#pollAt = Infinity;
    let restMs = pollMs;
    try {
      const found = await store.due([...engine.owned.keys()], engine.now() + pollMs, batch);
      if (session !== this.#session) return;
      const absent = found.filter((runId) => !engine.residents.get(runId));
      if (absent.length > 0) await this.look(absent);
      if (found.length === batch) restMs = busyPollMs;
      backoff.succeeded();
    } catch (thrown) {
      if (session === this.#session) restMs = this.#failed(thrown);
    }
    if (session !== this.#session) return;
    this.#pollAt = engine.now() + restMs;
    this.#plan();
  }

  /** Answers how long to rest, milliseconds. */
  #failed(thrown: unknown): number {
    const { backoff, onError } = this.#options;
    const restMs = backoff.next();
    onError(toCogmeshError(thrown), restMs);
    return restMs;
  }
}

function forRun(firing: Firing, runId: string): void {
  const run = firing.unit.find(runId);
  if (run) deadlineCame(firing, run);
}

function forTask(firing: Firing, row: TaskRow): void {
  const task = firing.unit.task(row);
  if (task) taskCameDue(firing, task);
}

function allOf(firing: Firing, run: ResidentRun): void {
  deadlineCame(firing, run);
  for (const task of run.tasks) if (!isHeld(task.state)) taskCameDue(firing, task);
}
