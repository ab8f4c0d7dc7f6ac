/**
 * What agents report, in batches: started and results. A report counts only for an attempt that is held now and belongs to
 * the run it names; everything else (late, duplicate, unknown, forged) changes nothing and is counted. Every run with a held
 * attempt is in memory, so that nothing is loaded for a report of an attempt that nobody knows.
 */
import type { Engine } from './engine.js';
import { leaseFrom } from './leases.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { Failure, TaskRow } from './rows.js';
import type { Unit } from './unit.js';

interface Report {
  readonly attemptId: string;
  readonly runId: string;
  readonly agentId: string;
}

export type StartedReport = Report;

export type ReportedOutcome =
  /** JSON text of at most 64 KiB. */
  | { readonly case: 'output'; readonly json: string }
  /** `lease_lost` says that the agent of the attempt is gone. */
  | {
      readonly case: 'error';
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
      readonly details?: unknown;
    }
  /** Handed back unstarted. */
  | { readonly case: 'returned' };

export interface ResultReport<Source> extends Report {
  readonly outcome: ReportedOutcome;
  /** Whatever the sender of it knows besides; comes back when the report counted. */
  readonly source: Source;
}

export interface Accepted {
  /** Reports that changed something. */
  readonly accepted: number;
  readonly ignored: number;
}

/** A result that counted. */
export interface Told<Source> {
  readonly source: Source;
  readonly agentId: string;
  /** As the result left it. */
  readonly task: TaskRow;
  readonly runTraceparent: string;
  readonly totalTasks: number;
  readonly failure: Failure | undefined;
}

export interface AcceptedResults<Source> extends Accepted {
  readonly told: readonly Told<Source>[];
  /** Children that became READY, by run. */
  readonly released: ReadonlyMap<string, number>;
}

export interface IntakeOptions {
  readonly engine: Engine;
  readonly leaseMs: number;
  readonly poisonAfter: number;
  /** The dispatch span of an attempt, where its row does not hold it yet. */
  readonly traceOf?: (attemptId: string) => string | undefined;
}

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Resolves when it is stored; rejects when nothing of it is. */
  async started(reports: readonly StartedReport[]): Promise<Accepted> {
    const known = await this.#known(reports);
    if (known.length === 0) return { accepted: 0, ignored: reports.length };
    const accepted = await this.#options.engine.transact(runIdsOf(known), (unit) => {
      const began = known.filter(({ attemptId, runId, agentId }) => {
        const task = unit.held(attemptId);
        return task?.runId === runId && task.state !== 'RUNNING' && this.#start(unit, task, agentId);
      });
      return began.length;
    });
    return { accepted, ignored: reports.length - accepted };
  }

  /** Resolves when it is stored; rejects when nothing of it is. */
  async results<Source>(reports: readonly ResultReport<Source>[]): Promise<AcceptedResults<Source>> {
    const known = await this.#known(reports);
    const { told, released } = await this.#decide(known);
    // One that is not held may be the second copy of one whose effect is not stored yet, or known to a newer owner.
    if (known.length < reports.length) await this.#options.engine.verified();
    return { accepted: told.length, ignored: reports.length - told.length, told, released };
  }

  async #decide<Source>(
    known: readonly ResultReport<Source>[],
  ): Promise<Pick<AcceptedResults<Source>, 'told' | 'released'>> {
    if (known.length === 0) return { told: [], released: new Map() };
    return this.#options.engine.transact(runIdsOf(known), (unit, outcomes) => {
      const accepted = known.flatMap((report) => this.#accept({ unit, outcomes }, report) ?? []);
      return { told: accepted, released: outcomes.released };
    });
  }

  /** Those of attempts that are held; while the engine reads its state anew nobody knows, so it is waited for. */
  async #known<R extends Report>(reports: readonly R[]): Promise<R[]> {
    if (reports.length === 0) return [];
    const { engine } = this.#options;
    while (!engine.isOpen) await engine.opened();
    return reports.filter(({ attemptId, runId }) => engine.attempt(attemptId)?.runId === runId);
  }

  #start(unit: Unit, task: TaskRow, agentId: string): boolean {
    const { leaseMs, traceOf } = this.#options;
    const { timeoutMs, heartbeatTimeoutMs = null } = unit.planOf(task);
    const timed = { leaseMs: heartbeatTimeoutMs, timeoutAt: unit.now + timeoutMs };
    return unit.move(task, 'started', {
      attempt: task.attempt + 1,
      agentId,
      startedAt: unit.now,
      traceparent: task.traceparent ?? traceOf?.(task.attemptId ?? '') ?? null,
      ...timed,
      ...leaseFrom(unit.now, timed, leaseMs),
    });
  }

  #accept<Source>(
    { unit, outcomes }: { readonly unit: Unit; readonly outcomes: Outcomes },
    report: ResultReport<Source>,
  ): Told<Source> | undefined {
    // The first of two reports for an attempt ends it, so that nobody holds it when the second one comes.
    const task = unit.held(report.attemptId);
    if (!task) return undefined;
    const failure = failureIn(report.outcome);
    return this.#apply({ unit, outcomes }, { task, report, failure })
      ? toldOf(unit, { task, report, failure })
      : undefined;
  }

  #apply<Source>(
    { unit, outcomes }: { readonly unit: Unit; readonly outcomes: Outcomes },
    { task, report, failure }: Applied<Source>,
  ): boolean {
    const { outcome, agentId } = report;
    const isStarted = task.state === 'RUNNING';
    if (outcome.case === 'returned') return !isStarted && outcomes.returnUnstarted(task, 'returned');
    if (failure?.code === 'lease_lost') {
      // Nobody knows that it began, and it cannot any more.
      if (!isStarted) return outcomes.returnUnstarted(task, 'agent_gone');
      return outcomes.lose(task, failure, this.#options);
    }
    // "Started" travels in another queue and may come later, or never: a result proves it.
    if (!isStarted) this.#start(unit, task, agentId);
    if (failure !== undefined) return outcomes.retryOrFail(task, failure);
    return outcomes.succeed(task, { json: outcome.case === 'output' ? outcome.json : 'null' });
  }
}

interface Applied<Source> {
  readonly task: TaskRow;
  readonly report: ResultReport<Source>;
  readonly failure: Failure | undefined;
}

function toldOf<Source>(unit: Unit, { task, report, failure }: Applied<Source>): Told<Source> {
  const { traceparent: runTraceparent, totalTasks } = unit.run(task);
  const { source, agentId } = report;
  return { source, agentId, task: { ...task }, runTraceparent, totalTasks, failure };
}

const runIdsOf = (reports: readonly Report[]): string[] => reports.map((report) => report.runId);

/** The contract's limit on an output that travels in a message. */
const maxOutputBytes = 64 * 1024;

function failureIn(outcome: ReportedOutcome): Failure | undefined {
  if (outcome.case === 'returned') return undefined;
  if (outcome.case === 'error') {
    const { code, message, retryable, details } = outcome;
    return failureOf(code === '' ? 'internal' : code, message, { retryable, details });
  }
  if (Buffer.byteLength(outcome.json) > maxOutputBytes) {
    const message = `an output in a message has at most ${maxOutputBytes} bytes; larger ones are blobs`;
    return failureOf('output_too_large', message);
  }
  return isJson(outcome.json)
    ? undefined
    : failureOf('internal', 'the agent’s output is not JSON', { retryable: false });
}

/** The empty text is none. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
