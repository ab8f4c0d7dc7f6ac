/**
 * Steps that compute before they decide: what precedes or replaces a claim (`when`, `sleep`, `forEach`, `approval`, `run`),
 * joining the outputs of items, the end of a run, and what the end of a nested run means for its task. Each reads what never
 * changes, computes, then decides if the state still asks for it. So each may be done twice, and all are found again in the
 * store after a restart. A chain of them that finds everything in memory is decided in one turn, and stored by one flush.
 */
import type { Deferrals } from './deferrals.js';
import type { DispatchSettings, OnTrouble } from './dispatch-ports.js';
import type { Engine } from './engine.js';
import { finishSteps } from './finish-run.js';
import { joinSteps } from './join-items.js';
import { answerSteps, orphanSteps } from './nested-steps.js';
import type { Payloads } from './payloads.js';
import type { EngineStore } from './ports.js';
import { precedeSteps } from './precede-claim.js';
import type { Scopes } from './scopes.js';
import { taskKey, type ReadyEntry, type TaskRef } from './rows.js';
import { StepQueue, type StepKind } from './step-queue.js';

/** What becomes of a ready task that the controls took. */
export interface Prepared {
  take(entry: ReadyEntry): void;
  /** Its `when` is true and it is work for an agent. */
  prepared(entry: ReadyEntry): void;
  /** It cannot be prepared now. */
  putOff(entry: ReadyEntry): void;
  gone(entry: ReadyEntry): void;
}

export interface ControlParts {
  readonly engine: Engine;
  readonly scopes: Scopes;
  readonly payloads: Payloads;
  readonly itemOutputs: EngineStore['itemOutputs'];
  readonly settings: DispatchSettings;
  readonly newRunId: () => string;
  readonly deferrals: Deferrals;
  readonly onTrouble: OnTrouble;
  /** More may be done. */
  readonly onDone: () => void;
}

/** What the steps themselves see. */
export interface ControlContext extends ControlParts {
  readonly heads: Prepared;
  /** Tries a step again after a wait of its own. */
  readonly later: (key: string, again: () => void) => void;
  readonly join: (ref: TaskRef) => void;
  readonly finish: (runId: string) => void;
}

export class Controls {
  readonly #heads: () => Prepared;
  readonly #parts: ControlParts;
  readonly #precede: StepQueue<ReadyEntry>;
  readonly #join: StepQueue<TaskRef>;
  readonly #finish: StepQueue<string>;
  readonly #answer: StepQueue<string>;
  readonly #orphans: StepQueue<string>;

  /** `heads`: of the order; asked for when needed, since it feeds the controls itself. */
  constructor(parts: ControlParts, heads: () => Prepared) {
    this.#heads = heads;
    this.#parts = parts;
    const { engine, deferrals, onTrouble, onDone } = parts;
    const context: ControlContext = {
      ...parts,
      get heads() {
        return heads();
      },
      later: (key, again) => deferrals.defer(key, () => (again(), onDone())),
      join: (ref) => this.join(ref),
      finish: (runId) => this.finish(runId),
    };
    const options = { generation: () => engine.generation, deferrals, onTrouble, onDone };
    const queueOf = <T>(kind: StepKind<T>): StepQueue<T> => new StepQueue(kind, options);
    this.#precede = queueOf(precedeSteps(context));
    this.#join = queueOf(joinSteps(context));
    this.#finish = queueOf(finishSteps(context));
    this.#answer = queueOf(answerSteps(context));
    this.#orphans = queueOf(orphanSteps(context));
  }

  get isEmpty(): boolean {
    return [this.#precede, this.#join, this.#finish, this.#answer, this.#orphans].every((queue) => queue.isEmpty);
  }

  precede(entry: ReadyEntry): void {
    this.#precede.add(entry);
  }

  forget(key: string): void {
    this.#precede.forget(key);
  }

  /** A nested run ended. */
  answer(runId: string): void {
    this.#answer.add(runId);
  }

  /** No task waits for the nested run any more. */
  endOrphan(runId: string): void {
    this.#orphans.add(runId);
  }

  join(ref: TaskRef): void {
    const { runId, taskId, itemIndex } = ref;
    this.#join.add({ runId, taskId, itemIndex });
  }

  finish(runId: string): void {
    this.#finish.add(runId);
  }

  /** Somebody prepares the task, or will. */
  isPreceding(key: string): boolean {
    return this.#precede.has(key);
  }

  isJoining(ref: TaskRef): boolean {
    return this.#join.has(taskKey(ref)) || this.#parts.deferrals.isWaiting(`join ${taskKey(ref)}`);
  }

  isFinishing(runId: string): boolean {
    return this.#finish.has(runId) || this.#parts.deferrals.isWaiting(`finish ${runId}`);
  }

  isAnswering(runId: string): boolean {
    return this.#answer.has(runId);
  }

  isEndingOrphan(runId: string): boolean {
    return this.#orphans.has(runId);
  }

  /** Memory is thrown away. */
  reset(): void {
    for (const queue of [this.#precede, this.#join, this.#finish, this.#answer, this.#orphans]) queue.clear();
  }

  /** Begins everything that can be begun now. */
  step(): void {
    const heads = this.#heads();
    this.#precede.step((entries) => entries.forEach((entry) => heads.take(entry)));
    for (const queue of [this.#join, this.#answer, this.#orphans, this.#finish]) queue.step();
  }
}
