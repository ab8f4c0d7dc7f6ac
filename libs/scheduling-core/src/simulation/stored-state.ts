/**
 * What a database would hold, as plain maps: the truth of specs and simulations. Nothing here waits. Rows are copied on the
 * way in and on the way out, so nobody holds a piece of the truth.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { HeldAttempt, LoadedRun, NewRun } from '../engine/new-run.js';
import type { Flush, LaneName, LanePage, OrderPlace, Ownership, Snapshot } from '../engine/ports.js';
import {
  readyEntry, type ReadyEntry, type RunMove, type RunRow, type StoredHistoryEntry, type TaskRef, type TaskRow,
} from '../engine/rows.js'; // prettier-ignore
import { isHeld, isTerminalRun } from '../states.js';

export interface StoredRun {
  row: RunRow;
  readonly tasks: Map<string, TaskRow>;
  readonly history: StoredHistoryEntry[];
}

const slot = ({ taskId, itemIndex }: Pick<TaskRef, 'taskId' | 'itemIndex'>): string => `${taskId} ${itemIndex}`;

/** A flush by another owner of one of its shards came first. */
export const fenced = (): CogmeshError =>
  new CogmeshError('failed_precondition', 'another scheduler owns this shard now', { fenced: true });

/** Who takes a submitted run on; `known`: it was stored before. */
export type Whose = 'mine' | 'elsewhere' | 'known';

export class StoredState {
  readonly runs = new Map<string, StoredRun>();
  readonly moves: RunMove[] = [];
  /** Runs that the owners of their shards have been asked to take on. */
  readonly asked = new Map<string, number>();
  readonly #epochs = new Map<number, number>();

  /** Newest epoch of a shard's lease; 0 before the first. */
  epoch(shard: number): number {
    return this.#epochs.get(shard) ?? 0;
  }

  /** A new owner: whoever had the shard before is fenced. Answers the epoch. */
  takeOver(shard: number): number {
    const epoch = this.epoch(shard) + 1;
    this.#epochs.set(shard, epoch);
    return epoch;
  }

  /** Throws `fenced`. */
  verify(owned: Ownership): void {
    if ([...owned].some(([shard, epoch]) => epoch < this.epoch(shard))) throw fenced();
  }

  /** All or nothing; throws `fenced` when a shard that is touched has a newer owner. */
  apply({ now, owned, newRuns, newTasks, tasks, runs, history, moves, takenOn }: Flush): void {
    const touched = [...newRuns.map(({ run }) => run), ...newTasks, ...tasks, ...runs, ...takenOn].map(
      ({ shard }) => shard,
    );
    this.verify(new Map(touched.map((shard) => [shard, owned.get(shard) ?? -1])));
    for (const { run } of newRuns) this.runs.set(run.id, { row: { ...run }, tasks: new Map(), history: [] });
    for (const task of newTasks) this.#run(task.runId).tasks.set(slot(task), { ...task });
    for (const task of tasks) this.#update(task);
    for (const run of runs) this.#run(run.id).row = { ...run };
    for (const { runId, ...entry } of history) this.#run(runId).history.push({ ...entry, time: now });
    this.moves.push(...moves);
    for (const { id } of takenOn) this.asked.delete(id);
  }

  /** A run from a caller, with what it takes over from another one. Nothing happens when it is there already. */
  submit({ submission, run, tasks }: NewRun): void {
    if (this.runs.has(run.id)) return;
    const stored: StoredRun = { row: { ...run }, tasks: new Map(), history: [] };
    this.runs.set(run.id, stored);
    stored.history.push({ sequence: 1, time: run.createdAt, type: 'run.state', runState: 'PENDING' });
    for (const task of tasks) stored.tasks.set(slot(task), { ...task });
    if (submission.origin) this.#adopt(stored, submission.origin);
  }

  /**
   * A run from a caller of a scheduler with this epoch of its shard. When that is not the newest, the owner is asked to take
   * the run on.
   */
  submitAs(born: NewRun, epoch: number | undefined): Whose {
    const { id, shard } = born.run;
    if (this.runs.has(id)) return 'known';
    this.submit(born);
    if (epoch === this.epoch(shard)) return 'mine';
    this.asked.set(id, shard);
    return 'elsewhere';
  }

  /** Runs that owners of these shards are asked to take on. */
  askedOf(shards: readonly number[]): string[] {
    return [...this.asked].flatMap(([id, shard]) => (shards.includes(shard) ? [id] : []));
  }

  #adopt(stored: StoredRun, origin: { readonly runId: string; readonly adopted: ReadonlySet<string> }): void {
    const { row } = stored;
    for (const task of this.#run(origin.runId).tasks.values()) {
      if (!origin.adopted.has(task.taskId)) continue;
      stored.tasks.set(slot(task), { ...task, runId: row.id });
      if (task.itemIndex >= 0) row.totalTasks += 1;
      else {
        row.sequence += 1;
        const { taskId, state: taskState, attempt } = task;
        const data = JSON.stringify({ adoptedFrom: origin.runId });
        const told = { type: 'task.state', taskId, taskState, attempt, data } as const;
        stored.history.push({ ...told, sequence: row.sequence, time: row.createdAt });
      }
    }
  }

  snapshot(shards: readonly number[]): Snapshot {
    const tasks = this.#tasksOf(shards);
    const runs = [...this.runs.values()].filter(({ row }) => shards.includes(row.shard)).map(({ row }) => row);
    const unfinished = runs.filter(({ state }) => !isTerminalRun(state));
    return {
      held: tasks.flatMap(heldAttempt),
      lanes: lanesOf(tasks.filter((task) => this.#isWaiting(task))),
      open: sums(
        unfinished.flatMap(({ id, organisation, openTasks }) =>
          this.asked.has(id) ? [] : [[organisation, openTasks]],
        ),
      ),
      aggregate: tasks.filter(isJoinable).map(refOf),
      finalise: unfinished.filter(({ openTasks }) => openTasks === 0).map(({ id }) => id),
      answered: tasks.flatMap((task) => {
        const nested = waitsForRun(task) ? this.runs.get(task.attemptId ?? '') : undefined;
        return nested && isTerminalRun(nested.row.state) ? [nested.row.id] : [];
      }),
      orphaned: unfinished.filter((run) => this.#isOrphan(run)).map(({ id }) => id),
    };
  }

  load(runIds: readonly string[]): LoadedRun[] {
    return runIds.flatMap((id) => {
      const stored = this.runs.get(id);
      if (!stored) return [];
      const tasks = [...stored.tasks.values()].map((task) => ({ ...task, output: undefined, item: undefined }));
      return [{ run: { ...stored.row }, tasks, isWaiting: this.asked.has(id) }];
    });
  }

  payloads(refs: readonly TaskRef[]): (TaskRef & Pick<TaskRow, 'item' | 'output'>)[] {
    return refs.flatMap((ref) => {
      const task = this.task(ref);
      return task ? [{ ...refOf(task), item: task.item, output: task.output }] : [];
    });
  }

  itemOutputs(runId: string, taskId: string): (string | null)[] {
    const items = [...this.#run(runId).tasks.values()].filter((task) => task.taskId === taskId && task.itemIndex >= 0);
    return items.sort((a, b) => a.itemIndex - b.itemIndex).map(({ output }) => output ?? null);
  }

  ready(shards: readonly number[], { after, limit, ...lane }: LanePage): ReadyEntry[] {
    const waiting = this.#tasksOf(shards).filter((task) => this.#isWaiting(task) && isInLane(task, lane));
    const left = after === undefined ? waiting : waiting.filter((task) => comparePlaces(task, after) > 0);
    return left.sort(comparePlaces).slice(0, limit).map(readyEntry);
  }

  due(shards: readonly number[], until: number, limit: number): string[] {
    const timed = [...this.runs.values()].filter(({ row }) => shards.includes(row.shard));
    const soonest = timed.map((run) => ({ id: run.row.id, at: dueAtOf(run) })).filter(({ at }) => at <= until);
    return soonest
      .sort((a, b) => a.at - b.at)
      .slice(0, limit)
      .map(({ id }) => id);
  }

  nestedIn(runId: string): string[] {
    const inside = [...this.runs.values()].map(({ row }) => row).filter(({ parentRunId }) => parentRunId === runId);
    return inside.flatMap(({ id, state }) => [...(isTerminalRun(state) ? [] : [id]), ...this.nestedIn(id)]);
  }

  task({ runId, ...place }: TaskRef): TaskRow | undefined {
    return this.runs.get(runId)?.tasks.get(slot(place));
  }

  #run(runId: string): StoredRun {
    const run = this.runs.get(runId);
    if (!run) throw new CogmeshError('data_loss', `no run ${runId} is stored`);
    return run;
  }

  /** What memory does not have, the store keeps. */
  #update(task: TaskRow): void {
    const { tasks } = this.#run(task.runId);
    const known = tasks.get(slot(task));
    if (!known) throw new CogmeshError('data_loss', `no task ${slot(task)} of ${task.runId} is stored`);
    const { output = known.output, item = known.item } = task;
    tasks.set(slot(task), { ...task, output, item });
  }

  #tasksOf(shards: readonly number[]): TaskRow[] {
    const runs = [...this.runs.values()].filter(({ row }) => shards.includes(row.shard));
    return runs.flatMap(({ tasks }) => [...tasks.values()]);
  }

  #isWaiting({ runId, state }: TaskRow): boolean {
    return state === 'READY' && this.#run(runId).row.state !== 'PAUSED';
  }

  #isOrphan({ id, parentRunId, parentTaskId, parentItemIndex }: RunRow): boolean {
    if (parentRunId === null || parentTaskId === null) return false;
    const task = this.task({ runId: parentRunId, taskId: parentTaskId, itemIndex: parentItemIndex ?? -1 });
    return !task || !waitsForRun(task) || task.attemptId !== id;
  }
}

/** Timers of attempts are their owner's, who renews leases in memory. */
function dueAtOf({ row, tasks }: StoredRun): number {
  let at = row.dueAt ?? Infinity;
  for (const { dueAt, state } of tasks.values()) if (dueAt !== null && dueAt < at && !isHeld(state)) at = dueAt;
  return at;
}

const refOf = ({ runId, taskId, itemIndex }: TaskRef): TaskRef => ({ runId, taskId, itemIndex });

const waitsForRun = ({ state, uses }: TaskRow): boolean => state === 'WAITING' && uses === 'run';

/** A forEach whose items all ended. */
const isJoinable = (task: TaskRow): boolean =>
  task.state === 'RUNNING' && task.itemIndex < 0 && task.attemptId === null &&
  task.itemsSucceeded + task.itemsFailed === task.itemsTotal; // prettier-ignore

function heldAttempt(task: TaskRow): HeldAttempt[] {
  const { attemptId, runId, state, agentId, queue, capability, organisation, uses, concurrencyGroup } = task;
  if (!isHeld(state) || attemptId === null) return [];
  const held = { attemptId, runId, agentId, queue, capability: capability ?? '', organisation, uses, concurrencyGroup };
  return [{ ...held, state: state as HeldAttempt['state'] }];
}

const isInLane = (task: TaskRow, lane: LaneName): boolean =>
  task.organisation === lane.organisation && task.uses === lane.uses && task.affinity === lane.affinity &&
  task.concurrencyGroup === lane.concurrencyGroup && (task.control === 1) === lane.control; // prettier-ignore

function lanesOf(ready: readonly TaskRow[]): Snapshot['lanes'] {
  const lanes = new Map<string, { -readonly [K in keyof Snapshot['lanes'][number]]: Snapshot['lanes'][number][K] }>();
  for (const { organisation, uses, affinity, concurrencyGroup, control } of ready) {
    const name = { organisation, uses, affinity, concurrencyGroup, control: control === 1 };
    const key = JSON.stringify(Object.values(name));
    const lane = lanes.get(key);
    if (lane) lane.ready += 1;
    else lanes.set(key, { ...name, ready: 1 });
  }
  return [...lanes.values()];
}

function sums(counted: readonly (readonly [string, number])[]): Snapshot['open'] {
  const open = new Map<string, number>();
  for (const [organisation, count] of counted) open.set(organisation, (open.get(organisation) ?? 0) + count);
  return [...open].map(([organisation, total]) => ({ organisation, open: total }));
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const comparePlaces = (a: OrderPlace, b: OrderPlace): number =>
  a.rank - b.rank || compareText(a.runId, b.runId) || compareText(a.taskId, b.taskId) || a.itemIndex - b.itemIndex;
