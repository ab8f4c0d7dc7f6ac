/**
 * One poller for everything that waits for a time: retries, sleeps, leases, time-outs, unstarted work, queue time-outs,
 * deadlines. It reads a partial index, acts under the run's lock on the row as it is then, and sleeps until the next due
 * time, at most a second, so that an idle scheduler costs next to nothing.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { SqlWorkQueue } from '../adapters/sql-work-queue.js';
import type { TaskRow } from '../model/rows.js';
import { Backoff } from './backoff.js';
import { endRun } from './cancel-run.js';
import type { Effects } from './effects.js';
import type { Engine } from './engine.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { PlanOf } from './plan-cache.js';
import { Signal } from './signal.js';
import type { WorkUnit } from './work-unit.js';

const batch = 500;
/** Longest sleep, milliseconds: the backstop for timers set by somebody else. */
const maxSleepMs = 1_000;

export interface TimersOptions {
  readonly engine: Engine;
  readonly queue: SqlWorkQueue;
  readonly leaseMs: number;
  readonly poisonAfter: number;
  readonly logger: Logger;
}

export class Timers {
  readonly #options: TimersOptions;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff();
  #sleepUntil = 0;
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: TimersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
  }

  accept({ soonestTimerMs }: Pick<Effects, 'soonestTimerMs'>): void {
    if (soonestTimerMs !== undefined && Date.now() + soonestTimerMs < this.#sleepUntil) this.#signal.set();
  }

  async #run(): Promise<void> {
    let wasDown = false;
    while (!this.#stopped) {
      let restMs: number;
      try {
        if (wasDown) await this.#options.queue.restartLeases(this.#options.leaseMs);
        wasDown = false;
        restMs = await this.poll();
        this.#backoff.succeeded();
      } catch (thrown) {
        wasDown = true;
        restMs = this.#backoff.next();
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error, restMs }, `timers rest: ${error.message}`);
      }
      this.#sleepUntil = Date.now() + restMs;
      if (!this.#stopped && restMs > 0) await this.#signal.wait(restMs);
    }
  }

  /** Acts on what is due; answers how long to sleep, milliseconds. */
  async poll(): Promise<number> {
    const { engine, queue } = this.#options;
    const due = await queue.due(batch);
    if (due.runs.length > 0) await engine.transact(due.runs, expireRuns);
    if (due.tasks.length > 0) {
      await engine.transact(
        due.tasks.map((task) => task.runId),
        async (unit, outcomes) => {
          const tasks = await unit.load(due.tasks);
          await unit.load(tasks.filter((task) => task.itemIndex >= 0).map((task) => ({ ...task, itemIndex: -1 })));
          const planOf = await unit.plans(tasks);
          const { poisonAfter } = this.#options;
          for (const task of tasks) fire({ unit, outcomes, planOf, poisonAfter }, task);
        },
      );
    }
    if (due.tasks.length + due.runs.length > 0) return 0;
    return Math.min(maxSleepMs, Math.max(1, due.nextInMs ?? maxSleepMs));
  }
}

interface Firing {
  readonly unit: WorkUnit;
  readonly outcomes: Outcomes;
  readonly planOf: PlanOf;
  readonly poisonAfter: number;
}

function fire(firing: Firing, task: TaskRow): void {
  const { unit, outcomes, planOf } = firing;
  if (task.dueAt === null || task.dueAt > unit.now) return;
  switch (task.state) {
    case 'READY':
      outcomes.fail(
        task,
        failureOf('queue_timeout', 'nobody took the task within its queue time-out'),
        'queue_timeout',
      );
      return;
    case 'RETRY_WAIT':
      outcomes.tryAgain(task, planOf);
      return;
    case 'WAITING':
      waitedEnough(firing, task);
      return;
    case 'CLAIMED':
    case 'PUBLISHED':
      outcomes.returnUnstarted(task, 'expired', planOf);
      return;
    case 'RUNNING':
      overrun(firing, task);
      return;
    default:
      task.dueAt = null;
      unit.touch(task);
  }
}

/** A sleep is over; an answer that somebody was asked for did not come. */
function waitedEnough({ outcomes, planOf }: Firing, task: TaskRow): void {
  if (task.uses === 'sleep') outcomes.succeed(task, { json: 'null' }, 'timer');
  else if (task.uses === 'run')
    outcomes.retryOrFail(task, failureOf('timeout', `its run took longer than ${planOf(task).timeoutMs} ms`), planOf);
  else outcomes.fail(task, failureOf('approval_timeout', `nobody answered within ${planOf(task).timeoutMs} ms`));
}

function overrun({ unit, outcomes, planOf, poisonAfter }: Firing, task: TaskRow): void {
  const { agentId, attemptId, timeoutAt, leaseUntil } = task;
  const isTimedOut = timeoutAt !== null && timeoutAt <= unit.now;
  if (!isTimedOut && leaseUntil !== null && leaseUntil > unit.now) {
    unit.delay(task, Math.min(leaseUntil, timeoutAt ?? leaseUntil));
    return;
  }
  const { timeoutMs, heartbeatTimeoutMs } = planOf(task);
  const silence = heartbeatTimeoutMs === undefined ? '' : `: no sign of life for ${heartbeatTimeoutMs} ms`;
  const isMoved = isTimedOut
    ? outcomes.retryOrFail(task, failureOf('timeout', `the attempt took longer than ${timeoutMs} ms`), planOf)
    : outcomes.lose(task, failureOf('lease_lost', `the agent ${agentId ?? ''} stopped renewing its lease${silence}`), {
        planOf,
        poisonAfter,
      });
  if (isMoved && agentId !== null && attemptId !== null) unit.effects.stop.push({ agentId, attemptId });
}

async function expireRuns(unit: WorkUnit): Promise<void> {
  for (const run of unit.runs.values()) {
    if (run.dueAt === null || run.dueAt > unit.now) continue;
    await endRun(unit, run, failureOf('timeout', 'the run passed its deadline', { retryable: false }));
  }
}
