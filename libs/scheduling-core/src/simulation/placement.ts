/**
 * Invariant 3 where rows cannot show it: in the memory of each shard's owner. A ready task has its place in the order, and
 * whatever waits for a time is looked at when it has come.
 */
import { readyEntry, type TaskRow } from '../engine/rows.js';
import { isOver } from './naive-model.js';
import type { Replica } from './replica.js';
import type { SimulatedAgent } from './simulated-agent.js';
import type { SimulatedProcess } from './process.js';
import type { StoredRun, StoredState } from './stored-state.js';
import type { Invariant, Violations } from './violations.js';

export interface PlacementOptions {
  readonly state: StoredState;
  readonly shards: readonly number[];
  readonly violations: Violations;
  readonly now: () => number;
  /** Who owns the shard now and runs. */
  readonly replicaOf: (shard: number) => Replica | undefined;
  /** The answer of its submit has arrived, so memory has heard of it. */
  readonly isConfirmed: (runId: string) => boolean;
  readonly agents: () => Iterable<SimulatedAgent>;
  readonly isCutOff: (process: SimulatedProcess) => boolean;
  /** The store answers. */
  readonly isStoreUp: () => boolean;
}

/** How late a timer may be looked at by an owner that nothing troubles, milliseconds. */
const tolerableMs = 6_000;
/** Since when a memory has been trusted, and by whom. */
interface Trust {
  readonly replica: Replica;
  readonly generation: number;
  readonly since: number;
}

export class Placement {
  readonly #options: PlacementOptions;
  readonly #trust = new Map<number, Trust>();
  /** What should not be so for long, each with when it was seen first. */
  #seen = new Map<string, number>();
  #seenBefore: ReadonlyMap<string, number> = new Map();

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  look(): void {
    const { state, shards } = this.#options;
    for (const shard of shards) this.#judge(shard);
    for (const run of state.runs.values()) {
      const isTaken = run.row.parentRunId !== null || this.#options.isConfirmed(run.row.id);
      if (isOver(run.row.state) || !isTaken) continue;
      const trust = this.#trust.get(run.row.shard);
      if (trust) this.#lookAt(run, trust);
    }
    this.#seenBefore = this.#seen;
    this.#seen = new Map();
    for (const trust of this.#trust.values()) this.#credits(trust);
    this.#agents();
  }

  /** False when it has been so for too long; asked in every look while it is. */
  #isShort(what: string, since: number): boolean {
    const { now } = this.#options;
    const first = Math.max(this.#seenBefore.get(what) ?? now(), since);
    this.#seen.set(what, first);
    return now() - first <= tolerableMs;
  }

  #require(holds: boolean, invariant: Invariant, message: () => string): void {
    this.#options.violations.require(holds, invariant, message);
  }

  /** A credit that is in use belongs to an attempt that is held, or about to be. */
  #credits({ replica, since }: Trust): void {
    const { engine, credits } = replica.parts;
    for (const attemptId of credits.heldBy(credits.agents())) {
      if (engine.attempt(attemptId) !== undefined) continue;
      this.#require(this.#isShort(`credit ${attemptId}`, since), 'limits', () => {
        return `${replica.name} keeps the credit of ${attemptId}, which nobody holds`;
      });
    }
  }

  /** What nobody wants is not worked on for long. */
  #agents(): void {
    const { agents, isCutOff, state } = this.#options;
    for (const agent of agents()) {
      const { process } = agent.options;
      if (!process.isRunning || isCutOff(process)) continue;
      for (const work of agent.held()) {
        const task = state.task(work);
        const trust = this.#trust.get(work.shard);
        if (!trust || (task?.attemptId === work.attemptId && !isOver(task.state))) continue;
        this.#require(this.#isShort(`work ${work.attemptId}`, trust.since), 'stop', () => {
          return `${agent.id} still works on ${work.runId}/${work.taskId}, which is ${task?.state}`;
        });
      }
    }
  }

  /** Whether the memory of its owner can be held to account, and since when. */
  #judge(shard: number): void {
    const { replicaOf, now, isStoreUp, state } = this.#options;
    const replica = replicaOf(shard);
    const engine = replica?.parts.engine;
    const known = this.#trust.get(shard);
    // One that has the shard anew may still remember it from before.
    const isOwner = engine?.isOpen === true && engine.owned.get(shard) === state.epoch(shard);
    if (!replica || !isOwner || !isStoreUp()) this.#trust.delete(shard);
    else if (known?.replica !== replica || known.generation !== engine.generation) {
      this.#trust.set(shard, { replica, generation: engine.generation, since: now() });
    }
  }

  #lookAt({ row, tasks }: StoredRun, trust: Trust): void {
    const isLate = (dueAt: number | null): boolean => dueAt !== null && this.#isLate(dueAt, trust);
    this.#require(!isLate(row.dueAt), 'never stuck', () => `nobody looks at the deadline of ${row.id}`);
    const resident = trust.replica.parts.engine.residents.get(row.id);
    for (const stored of tasks.values()) {
      if (isOver(stored.state)) continue;
      // What memory has decided since is not stored yet; leases are never.
      const task = resident?.task(stored.taskId, stored.itemIndex) ?? stored;
      if (task.state !== stored.state) continue;
      this.#require(!isLate(task.dueAt), 'never stuck', () => `nobody looks at the timer of ${nameOf(task)}`);
      if (task.state !== 'READY' || (resident?.row ?? row).state === 'PAUSED') continue;
      this.#require(hasPlace(trust.replica, task), 'never stuck', () => {
        return `${nameOf(task)} has no place in the order of ${trust.replica.name}`;
      });
    }
  }

  #isLate(dueAt: number, { since }: Trust): boolean {
    return this.#options.now() - Math.max(dueAt, since) > tolerableMs;
  }
}

/** A page that could not be read is read again after a while. */
const hasPlace = ({ parts: { heads, deferrals } }: Replica, task: TaskRow): boolean =>
  deferrals.size > 0 || heads.hasPlaceFor(readyEntry(task));

const nameOf = ({ runId, taskId, itemIndex, state }: TaskRow): string =>
  `${runId}/${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`} (${state})`;
