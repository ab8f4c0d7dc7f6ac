/**
 * What agents report, in batches: started and results. A report counts only for an attempt that is held now and belongs to
 * the run it names; everything else (late, duplicate, unknown, forged) changes nothing and is counted.
 */
import type { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { traceIdOf } from '@cogmesh/telemetry';
import type { Failure, TaskRow } from '../model/rows.js';
import { isTraced, recordRelease, recordResult, type AcceptedResult } from './attempt-spans.js';
import type { Engine } from './engine.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { PlanOf } from './plan-cache.js';
import type { WorkUnit } from './work-unit.js';

export interface Accepted {
  /** Reports that changed something. */
  readonly accepted: number;
  readonly ignored: number;
}

interface Told {
  readonly result: workV1.Result;
  readonly task: TaskRow;
  readonly runTraceparent: string;
  readonly totalTasks: number;
  readonly failure: Failure | undefined;
}

export type TraceOf = (attemptId: string) => string | undefined;

export interface IntakeOptions {
  /** The dispatch span of an attempt, where its row does not hold it yet. */
  readonly traceOf?: TraceOf;
  readonly poisonAfter: number;
}

export class Intake {
  readonly #engine: Engine;
  readonly #leaseMs: number;
  readonly #traceOf: TraceOf;
  readonly #poisonAfter: number;

  constructor(engine: Engine, leaseMs: number, { traceOf = () => undefined, poisonAfter }: IntakeOptions) {
    this.#engine = engine;
    this.#leaseMs = leaseMs;
    this.#traceOf = traceOf;
    this.#poisonAfter = poisonAfter;
  }

  async started(reports: readonly workV1.Started[]): Promise<Accepted> {
    const byAttempt = new Map(reports.map((report) => [report.attemptId, report]));
    if (byAttempt.size === 0) return { accepted: 0, ignored: 0 };
    const accepted = await this.#engine.transact(runIdsOf(reports), async (unit) => {
      const tasks = await unit.loadHeld([...byAttempt.keys()]);
      const planOf = await unit.plans(tasks);
      return tasks.filter((task) => {
        const report = byAttempt.get(task.attemptId ?? '');
        return (
          report?.runId === task.runId &&
          task.state !== 'RUNNING' &&
          this.#start(unit, task, { planOf, agentId: report.agentId })
        );
      }).length;
    });
    return { accepted, ignored: reports.length - accepted };
  }

  async results(reports: readonly workV1.Result[]): Promise<Accepted> {
    if (reports.length === 0) return { accepted: 0, ignored: 0 };
    const startMs = Date.now();
    const first = new Map<string, workV1.Result>();
    for (const report of reports) if (!first.has(report.attemptId)) first.set(report.attemptId, report);
    const { told, released } = await this.#engine.transact(runIdsOf(reports), async (unit, outcomes) => {
      const tasks = await unit.loadHeld([...first.keys()]);
      const planOf = await unit.plans(tasks);
      await unit.load(tasks.filter((task) => task.itemIndex >= 0).map((task) => ({ ...task, itemIndex: -1 })));
      const accepted = tasks.flatMap((task) => {
        const result = first.get(task.attemptId ?? '');
        if (result?.runId !== task.runId) return [];
        return this.#accept({ unit, outcomes, planOf }, task, result) ?? [];
      });
      return { told: accepted, released: outcomes.released };
    });
    trace(told, released, startMs);
    return { accepted: told.length, ignored: reports.length - told.length };
  }

  #start(unit: WorkUnit, task: TaskRow, { planOf, agentId }: { planOf: PlanOf; agentId: string }): boolean {
    const timeoutAt = unit.now + planOf(task).timeoutMs;
    const { heartbeatTimeoutMs: leaseMs = null } = planOf(task);
    const leaseUntil = unit.now + (leaseMs ?? this.#leaseMs);
    return unit.move(task, 'started', {
      attempt: task.attempt + 1,
      agentId,
      startedAt: unit.now,
      traceparent: task.traceparent ?? this.#traceOf(task.attemptId ?? '') ?? null,
      leaseMs,
      leaseUntil,
      timeoutAt,
      dueAt: Math.min(leaseUntil, timeoutAt),
    });
  }

  #accept(
    { unit, outcomes, planOf }: { unit: WorkUnit; outcomes: Outcomes; planOf: PlanOf },
    task: TaskRow,
    result: workV1.Result,
  ): Told | undefined {
    const { outcome, agentId } = result;
    const run = unit.run(task);
    if (outcome.case === 'returned') {
      if (task.state === 'RUNNING' || !outcomes.returnUnstarted(task, 'returned', planOf)) return undefined;
      return toldOf(result, task, run);
    }
    // "Started" travels in another queue and may come later, or never: a result proves it.
    if (task.state !== 'RUNNING') this.#start(unit, task, { planOf, agentId });
    const failure = failureIn(outcome);
    const moved =
      failure === undefined
        ? outcomes.succeed(task, { json: outcome.case === 'outputJson' ? outcome.value : 'null' })
        : this.#fail(outcomes, { task, failure, planOf });
    return moved ? toldOf(result, task, run, failure) : undefined;
  }

  /** What the registry says of an agent that is gone counts as a lease that has run out. */
  #fail(
    outcomes: Outcomes,
    { task, failure, planOf }: { readonly task: TaskRow; readonly failure: Failure; readonly planOf: PlanOf },
  ): boolean {
    const poisonAfter = this.#poisonAfter;
    if (failure.code === 'lease_lost') return outcomes.lose(task, failure, { planOf, poisonAfter });
    return outcomes.retryOrFail(task, failure, planOf);
  }
}

function toldOf(
  result: workV1.Result,
  task: TaskRow,
  run: { readonly traceparent: string; readonly totalTasks: number },
  failure?: Failure,
): Told {
  return { result, task: { ...task }, runTraceparent: run.traceparent, totalTasks: run.totalTasks, failure };
}

const runIdsOf = (reports: readonly { readonly runId: string }[]): string[] => reports.map((report) => report.runId);

/** The contract's limit on an output that travels in a message. */
const maxOutputBytes = 64 * 1024;

function failureIn(outcome: workV1.Result['outcome']): Failure | undefined {
  if (outcome.case === 'error') {
    const { code, message, retryable, detailsJson } = outcome.value;
    const details = parsedOr(detailsJson, undefined);
    return failureOf(code === '' ? 'internal' : code, message, {
      retryable,
      ...(details === undefined ? {} : { details }),
    });
  }
  if (outcome.case !== 'outputJson') return failureOf('internal', 'the agent reported neither an output nor an error');
  if (Buffer.byteLength(outcome.value) > maxOutputBytes) {
    return failureOf(
      'output_too_large',
      `an output in a message has at most ${maxOutputBytes} bytes; larger ones are blobs`,
    );
  }
  return parsedOr(outcome.value, notJson) === notJson
    ? failureOf('internal', 'the agent’s output is not JSON', { retryable: false })
    : undefined;
}

const notJson = Symbol('not JSON');

function parsedOr<T>(text: string, fallback: T): unknown {
  if (text === '') return fallback;
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}

function trace(told: readonly Told[], released: ReadonlyMap<string, number>, startMs: number): void {
  const releasing = new Set<string>();
  for (const each of told) {
    if (each.failure === undefined && !isTraced(each.task, each.totalTasks)) continue;
    const span = recordResult(acceptedResult(each, startMs));
    const { runId } = each.task;
    const count = released.get(runId) ?? 0;
    if (count > 0 && !releasing.has(runId)) recordRelease(span, startMs, count);
    releasing.add(runId);
  }
}

function acceptedResult({ result, task, runTraceparent, failure }: Told, startMs: number): AcceptedResult {
  const { error: _stored, ...named } = task;
  const { agentId, timing } = result;
  return {
    ...named,
    parent: parentOf(task.traceparent, runTraceparent),
    startMs,
    agentId,
    batchSize: timing?.batchSize ?? 0,
    modelVersion: timing?.modelVersion ?? '',
    variant: timing?.variant ?? '',
    ...(failure === undefined ? {} : { error: errorOf(failure) }),
  };
}

/** The attempt's own dispatch span, or the run's submit span where that was not sampled or is not stored yet. */
function parentOf(dispatch: string | null, run: string): string {
  return dispatch !== null && traceIdOf(dispatch) !== undefined && !dispatch.endsWith('-00') ? dispatch : run;
}

const errorOf = (failure: Failure): Error => new CogmeshError('task_failed', `${failure.code}: ${failure.message}`);
