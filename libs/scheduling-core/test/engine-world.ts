/**
 * An engine with a store in memory and a clock that stands still until it is moved, for specs. After every step what memory
 * says is compared with what is stored, and counters with what they count: a change that is not stored cannot hide.
 */
import { expect } from 'vitest';
import { Engine } from '../src/engine/engine.js';
import type { Effects } from '../src/engine/effects.js';
import { Intake, type ReportedOutcome } from '../src/engine/intake.js';
import { newRun } from '../src/engine/new-run.js';
import type { Outcomes } from '../src/engine/outcomes.js';
import type { ResidentRun } from '../src/engine/resident-run.js';
import { taskKey, type TaskRow } from '../src/engine/rows.js';
import type { Unit } from '../src/engine/unit.js';
import { defaultRunLimits, defaultTaskDefaults } from '../src/limits.js';
import { parseRun } from '../src/parse/parse-run.js';
import type { RunPlan } from '../src/run-plan.js';
import { MemoryStore, type StoreManners } from '../src/simulation/memory-store.js';
import { StoredState } from '../src/simulation/stored-state.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';
import { isHeld, isTerminalTask } from '../src/states.js';

export const leaseMs = 10_000;
export const poisonAfter = 3;
export const ageingMs = 30_000;
const shard = 0;
const organisation = 'globex';

export interface WorldOptions {
  readonly manners?: StoreManners;
  readonly maxResidentRows?: number;
  readonly maxPayloadBytes?: number;
  readonly state?: StoredState;
  readonly clock?: VirtualClock;
}

export const script = (id: string, fields: object = {}) => ({ id, uses: 'script', script: 'return input', ...fields });

export class EngineWorld {
  readonly clock: VirtualClock;
  readonly state: StoredState;
  readonly store: MemoryStore;
  readonly engine: Engine;
  readonly intake: Intake;
  /** In the order in which listeners learned of them. */
  readonly decided: Effects[] = [];
  readonly stored: Effects[] = [];
  #runs = 0;
  #attempts = 0;

  constructor(options: WorldOptions = {}) {
    const { manners = {}, maxResidentRows = 100_000, maxPayloadBytes = 1_000_000 } = options;
    this.clock = options.clock ?? new VirtualClock(1_000_000_000);
    this.state = options.state ?? new StoredState();
    this.store = new MemoryStore(this.state, manners);
    const { clock, store } = this;
    this.engine = new Engine({ store, clock, random: () => 0, ageingMs, maxResidentRows, maxPayloadBytes });
    this.intake = new Intake({ engine: this.engine, leaseMs, poisonAfter });
    this.engine.listen({
      decided: (effects) => this.decided.push(effects),
      stored: (effects) => this.stored.push(...effects),
    });
  }

  static async open(options: WorldOptions = {}): Promise<EngineWorld> {
    const world = new EngineWorld(options);
    await world.own();
    return world;
  }

  own(): Promise<void> {
    return this.do(this.engine.own(new Map([[shard, this.state.takeOver(shard)]])));
  }

  /** Lets the world go on until `work` is done, then looks whether memory and store agree. */
  async do<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => (isDone = true));
    done.catch(() => undefined);
    for (let step = 0; !isDone; step += 1) {
      if (step > 1_000) throw new Error('it never ends');
      await this.clock.settle();
    }
    try {
      return await done;
    } finally {
      await this.clock.settle();
      this.check();
    }
  }

  /** Stores a run and takes it in; answers its id. */
  submit(document: object): Promise<string> {
    const options = { organisation, limits: defaultRunLimits, defaults: defaultTaskDefaults };
    return this.submitPlan(parseRun(JSON.stringify(document), options));
  }

  async submitPlan(plan: RunPlan): Promise<string> {
    const runId = `run_${(this.#runs += 1)}`;
    const about = { submittedBy: 'ada', traceparent: `trace of ${runId}`, callerTraceparent: '' };
    const submission = { runId, organisation, shard, plan, ...about, idempotencyKey: '', requestSha256: '' };
    const born = await this.do(this.store.submit(newRun(submission, { now: this.engine.now(), ageingMs })));
    this.engine.adopt(born);
    await this.clock.settle();
    return runId;
  }

  /** One decision over one run. */
  decide<T>(runId: string, work: (unit: Unit, outcomes: Outcomes, run: ResidentRun) => T): Promise<T> {
    return this.do(this.engine.transact([runId], (unit, outcomes) => work(unit, outcomes, unit.resident({ runId }))));
  }

  /** Claims a ready task; answers the attempt. */
  async claim(runId: string, taskId: string, itemIndex = -1): Promise<string> {
    const attemptId = `attempt_${(this.#attempts += 1)}`;
    await this.decide(runId, (unit, _outcomes, run) => {
      const task = run.task(taskId, itemIndex);
      if (!task || task.state !== 'READY') throw new Error(`${taskId} is ${task?.state}`);
      const { now } = unit;
      unit.move(task, 'claim', {
        attemptId,
        capability: 'script',
        agentId: 'agent_1',
        claimedAt: now,
        dueAt: now + 5_000,
      });
      unit.move(task, 'published', { dueAt: task.dueAt });
    });
    return attemptId;
  }

  /** Claims a ready task and reports that it began; answers the attempt. */
  async start(runId: string, taskId: string, itemIndex = -1): Promise<string> {
    const attemptId = await this.claim(runId, taskId, itemIndex);
    const { accepted } = await this.do(this.intake.started([{ attemptId, runId, agentId: 'agent_1' }]));
    expect(accepted).toBe(1);
    return attemptId;
  }

  /** Reports what came of an attempt; answers how many reports counted. */
  async report(runId: string, attemptId: string, outcome: ReportedOutcome = output(null)): Promise<number> {
    const reports = [{ attemptId, runId, agentId: 'agent_1', source: undefined, outcome }];
    return (await this.do(this.intake.results(reports))).accepted;
  }

  /** A ready task, or item, from claim to output. */
  async succeed(runId: string, taskId: string, itemIndex = -1): Promise<void> {
    expect(await this.report(runId, await this.start(runId, taskId, itemIndex), output(taskId))).toBe(1);
  }

  /** Of what is stored. */
  task(runId: string, taskId: string, itemIndex = -1): TaskRow {
    const task = this.state.task({ runId, taskId, itemIndex });
    if (!task) throw new Error(`there is no ${taskId} in ${runId}`);
    return task;
  }

  /** `a SUCCEEDED, b[0] READY`, of what is stored. */
  states(runId: string): string {
    const tasks = [...(this.state.runs.get(runId)?.tasks.values() ?? [])];
    return tasks.map((task) => `${nameOf(task)} ${task.state}`).join(', ');
  }

  run(runId: string) {
    const run = this.state.runs.get(runId);
    if (!run) throw new Error(`there is no ${runId}`);
    return run;
  }

  /** Everything that was decided so far, of one kind. */
  told<Kind extends keyof Effects>(kind: Kind): (Effects[Kind] extends readonly (infer Each)[] ? Each : never)[] {
    return this.decided.flatMap((effects) => effects[kind] as never);
  }

  check(): void {
    if (!this.engine.isOpen) return;
    for (const [id, { row, tasks, history }] of this.state.runs) {
      const run = this.engine.residents.get(id);
      // One that is pinned has changes that are still on their way.
      if (!run || run.pins > 0) continue;
      expect({ ...run.row }, id).toEqual(row);
      expect(history.map(({ sequence }) => sequence)).toEqual(Array.from({ length: row.sequence }, (_, at) => at + 1));
      const inMemory = [...run.tasks];
      expect(inMemory.map(withoutMemory)).toEqual(inMemory.map((task) => withoutMemory(storedOf(task, tasks))));
      expect(row.openTasks, `open tasks of ${id}`).toBe(inMemory.filter(({ state }) => !isTerminalTask(state)).length);
      const held = inMemory.filter(({ state, attemptId }) => isHeld(state) && attemptId !== null);
      expect(run.inFlight, `in flight of ${id}`).toBe(held.length);
      for (const task of held) expect(this.engine.attempt(task.attemptId ?? '')).toBe(task);
    }
  }
}

const storedOf = (task: TaskRow, tasks: ReadonlyMap<string, TaskRow>): TaskRow =>
  tasks.get(`${task.taskId} ${task.itemIndex}`) ?? {
    ...task,
    state: 'BLOCKED',
    taskId: `${taskKey(task)} is not stored`,
  };

/** Leases are memory's own, and texts may be the store's. */
function withoutMemory({ output: _output, item: _item, leaseUntil: _leaseUntil, dueAt, ...task }: TaskRow) {
  return { ...task, dueAt: task.state === 'RUNNING' ? undefined : dueAt };
}

const nameOf = ({ taskId, itemIndex }: TaskRow): string => (itemIndex < 0 ? taskId : `${taskId}[${itemIndex}]`);

export const output = (value: unknown): ReportedOutcome => ({ case: 'output', json: JSON.stringify(value) });

export const error = (code: string, retryable = false): ReportedOutcome => ({
  case: 'error',
  code,
  message: `it said ${code}`,
  retryable,
});
