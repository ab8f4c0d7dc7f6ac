/**
 * Batches of claims. A target is held for every task as it is taken in order; inputs are computed from memory, then one
 * decision claims what is still READY. Nobody waits for the store: only the work itself goes out when the claim is stored.
 * Tasks that need something from outside memory go in batches of their own. A task whose input cannot be computed fails
 * here; everything that was not claimed gives its target back.
 */
import { referencesIn } from '../expressions/evaluate-template.js';
import type { TaskReference } from '../expressions/names.js';
import type { TaskPlan } from '../run-plan.js';
import { breather } from './breath.js';
import type { Credits, Target } from './credits.js';
import { decide, withRuns } from './decide.js';
import type { Deferrals } from './deferrals.js';
import {
  expiryGraceMs,
  type ClaimedRow,
  type DispatchSettings,
  type OnTrouble,
  type Publication,
  type Publisher,
  type Targets,
} from './dispatch-ports.js';
import type { Engine } from './engine.js';
import type { Outcomes } from './outcomes.js';
import { failureOfThrown, prepareInput, type AssertTaken, type Prepared } from './prepare-input.js';
import type { ReadyHeads } from './ready-heads.js';
import { taskKey, type ReadyEntry, type RunRow, type TaskRef } from './rows.js';
import { mergedReferences, type Scopes } from './scopes.js';
import type { Unit } from './unit.js';

export interface ClaimsOptions {
  readonly engine: Engine;
  readonly scopes: Scopes;
  readonly targets: Targets;
  readonly credits: Credits;
  readonly publisher: Publisher;
  readonly heads: ReadyHeads;
  readonly settings: DispatchSettings;
  readonly deferrals: Deferrals;
  /** Unique, cannot be guessed, names its shard. */
  readonly newAttemptId: (shard: number) => string;
  readonly assertTaken?: AssertTaken | undefined;
  readonly onTrouble: OnTrouble;
  /** More may be claimed. */
  readonly onDone: () => void;
}

/** A task taken out of the order, with the target that is held for it. */
export interface Reservation {
  readonly entry: ReadyEntry;
  readonly attemptId: string;
  readonly target: Target;
}

/** Its input, or what it waits for. */
type Input = Prepared | 'later';

type Verdict = 'claimed' | 'failed' | 'gone';

/** Batches that wait for the store or the gateway at once. */
const maxWaiting = 4;

export class Claims {
  readonly #options: ClaimsOptions;
  /** Keys of tasks that are being claimed, and the attempts this would make. */
  readonly #claiming = new Set<string>();
  #waiting = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** More may be taken out of the order. */
  get hasRoom(): boolean {
    return this.#waiting < maxWaiting;
  }

  /** Holds a target for a task that was taken out of the order; undefined when there is none after all. */
  reserve(entry: ReadyEntry): Reservation | undefined {
    const { heads, targets, credits, newAttemptId } = this.#options;
    heads.take(entry);
    const target = targets.choose(entry.group);
    if (!target) {
      heads.prepared(entry);
      return undefined;
    }
    const attemptId = newAttemptId(entry.shard);
    credits.hold(attemptId, target, entry);
    this.#claiming.add(entry.key).add(attemptId);
    return { entry, attemptId, target };
  }

  /** The task is being claimed, or would be by this attempt. */
  isClaiming(keyOrAttemptId: string): boolean {
    return this.#claiming.has(keyOrAttemptId);
  }

  /** Claims in the background. */
  commit(reservations: readonly Reservation[]): void {
    const quick = reservations.filter(({ entry }) => this.#isInMemory(entry));
    const isQuick = new Set(quick);
    const slow = reservations.filter((reservation) => !isQuick.has(reservation));
    if (quick.length > 0) void this.#commit(quick);
    if (slow.length === 0) return;
    this.#waiting += 1;
    const { engine, onDone } = this.#options;
    const { generation } = engine;
    void this.#commit(slow).then(() => {
      if (generation !== engine.generation) return;
      this.#waiting -= 1;
      onDone();
    });
  }

  /** Memory is thrown away. */
  reset(): void {
    this.#claiming.clear();
    this.#waiting = 0;
  }

  /** Publishes claims that are stored already, under the same attempt ids. */
  async publishAgain(attemptIds: readonly string[]): Promise<void> {
    const { engine, publisher, deferrals, onTrouble } = this.#options;
    const { generation } = engine;
    const later = (ids: readonly string[]): void => {
      for (const id of ids) deferrals.defer(`publish ${id}`, () => void this.publishAgain([id]));
    };
    try {
      const rows = attemptIds.flatMap((id) => this.#claimed(id) ?? []);
      if (rows.length === 0) return;
      const inputs = await withRuns(engine, runsOf(rows), () => this.#inputs(rows));
      if (generation !== engine.generation) return;
      // Some may have left the claim meanwhile.
      const left = rows.flatMap(({ attemptId }) => this.#claimed(attemptId) ?? []);
      publisher.send(left.flatMap((row) => this.#publication(row, targetOf(row), inputs.get(taskKey(row))) ?? []));
      later(left.filter((row) => inputs.get(taskKey(row)) === 'later').map(({ attemptId }) => attemptId));
    } catch (error) {
      if (generation !== engine.generation) return;
      onTrouble(error, 'publishing stored claims');
      later(attemptIds);
    }
  }

  #claimed(attemptId: string): ClaimedRow | undefined {
    const task = this.#options.engine.attempt(attemptId);
    return task?.state === 'CLAIMED' ? { ...task, attemptId } : undefined;
  }

  #isInMemory(entry: ReadyEntry): boolean {
    const { engine, scopes } = this.#options;
    const run = engine.residents.get(entry.runId);
    if (!run?.task(entry.taskId)) return false;
    return scopes.isInMemory({ ...refOf(entry), references: inputReferences(run.plan(entry.taskId)) });
  }

  async #commit(reservations: readonly Reservation[]): Promise<void> {
    const { engine, onTrouble } = this.#options;
    const { generation } = engine;
    const entries = reservations.map(({ entry }) => entry);
    try {
      await withRuns(engine, runsOf(entries), async () => {
        const inputs = await this.#inputs(entries);
        if (generation === engine.generation) await this.#decide(reservations, inputs);
      });
    } catch (error) {
      if (generation === engine.generation) {
        onTrouble(error, 'claiming tasks');
        for (const reservation of reservations) this.#putOff(reservation);
      }
    }
    if (generation !== engine.generation) return;
    for (const { entry, attemptId } of reservations) {
      this.#claiming.delete(entry.key);
      this.#claiming.delete(attemptId);
    }
  }

  /** The same for the same rows, so that a claim can be published again after a restart. The runs are in memory. */
  async #inputs(tasks: readonly TaskRef[]): Promise<Map<string, Input>> {
    const { engine, scopes, settings, assertTaken } = this.#options;
    const { maxExpressionSteps } = settings.limits;
    const planned = tasks.flatMap((task) => {
      const run = engine.residents.get(task.runId);
      return run?.task(task.taskId) ? [{ ...refOf(task), plan: run.plan(task.taskId) }] : [];
    });
    const built = await scopes.build(planned.map((each) => ({ ...each, references: inputReferences(each.plan) })));
    const inputs = new Map<string, Input>();
    const breathe = breather(engine.clock);
    for (const task of planned) {
      const key = taskKey(task);
      const found = built.get(key);
      if (found?.scope) inputs.set(key, prepareInput(task.plan, found.scope, maxExpressionSteps, assertTaken));
      else if (found?.error.retryable) inputs.set(key, 'later');
      else if (found) inputs.set(key, { ok: false, failure: failureOfThrown(found.error) });
      const breath = breathe();
      if (breath) await breath;
    }
    return inputs;
  }

  async #decide(reservations: readonly Reservation[], inputs: ReadonlyMap<string, Input>): Promise<void> {
    const { engine, publisher, credits } = this.#options;
    const { generation } = engine;
    const ready = reservations.filter((reservation) => {
      const isReady = inputs.get(reservation.entry.key) !== 'later';
      if (!isReady) this.#putOff(reservation);
      return isReady;
    });
    if (ready.length === 0) return;
    const publications: Publication[] = [];
    const { result: verdicts, stored } = await decide(engine, runsOf(ready.map(({ entry }) => entry)), (unit, outcomes) =>
      ready.map((reservation) => this.#claim({ unit, outcomes, inputs, publications }, reservation)),
    ); // prettier-ignore
    if (generation !== engine.generation) return;
    ready.forEach((reservation, index) => this.#settle(reservation, verdicts[index]));
    stored.then(
      () => publisher.send(publications.filter(({ row }) => credits.has(row.attemptId))),
      // Refused: memory is read anew, and whoever reads it says why.
      () => undefined,
    );
  }

  #claim({ unit, outcomes, inputs, publications }: Claiming, { entry, attemptId, target }: Reservation): Verdict {
    const [task, input] = [unit.task(entry), inputs.get(entry.key)];
    if (!task || !input || input === 'later' || task.state !== 'READY' || !startsTasks(unit.run(task))) return 'gone';
    if (!input.ok) {
      outcomes.fail(task, input.failure, 'invalid');
      return 'failed';
    }
    const { agentId = null, queue = null, capability } = target;
    const dueAt = unit.now + this.#options.settings.startWithinMs + expiryGraceMs;
    unit.move(task, 'claim', { attemptId, capability, agentId, queue, claimedAt: unit.now, dueAt });
    const publication = this.#publication({ ...task, attemptId }, target, input);
    if (publication) publications.push(publication);
    return 'claimed';
  }

  #settle({ entry, attemptId }: Reservation, verdict: Verdict | undefined): void {
    if (verdict === 'claimed') return;
    this.#options.credits.release(attemptId);
    if (verdict === 'gone') this.#options.heads.gone(entry);
  }

  #putOff({ entry, attemptId }: Reservation): void {
    this.#options.credits.release(attemptId);
    this.#options.heads.putOff(entry);
  }

  #publication(row: ClaimedRow, target: Target, input: Input | undefined): Publication | undefined {
    const run = this.#options.engine.residents.get(row.runId);
    if (!run || input === undefined || input === 'later' || !input.ok) return undefined;
    const { traceparent, totalTasks, submitter } = run.row;
    return { row, target, plan: run.plan(row.taskId), input: input.input, run: { traceparent, totalTasks, submitter } };
  }
}

interface Claiming {
  readonly unit: Unit;
  readonly outcomes: Outcomes;
  readonly inputs: ReadonlyMap<string, Input>;
  readonly publications: Publication[];
}

const refOf = ({ runId, taskId, itemIndex }: TaskRef): TaskRef => ({ runId, taskId, itemIndex });
const runsOf = (tasks: readonly { readonly runId: string }[]): string[] => tasks.map(({ runId }) => runId);

function targetOf({ capability, queue, agentId }: ClaimedRow): Target {
  const name = capability ?? '';
  return queue === null ? { agentId: agentId ?? '', capability: name } : { queue, capability: name };
}

/** Not failing, not paused. */
export const startsTasks = ({ error, state }: Pick<RunRow, 'error' | 'state'>): boolean =>
  error === null && state !== 'PAUSED';

const referencesOf = new WeakMap<TaskPlan, TaskReference[]>();

/** Scripts and tools get stored outputs by value, since they cannot open a blob; models get the reference. */
function inputReferences(plan: TaskPlan): TaskReference[] {
  let references = referencesOf.get(plan);
  if (!references) {
    references = mergedReferences(referencesIn(plan.input, plan.forEach === undefined ? 'task' : 'item'));
    if (!plan.uses.startsWith('model:')) references = references.map((reference) => ({ ...reference, deep: true }));
    referencesOf.set(plan, references);
  }
  return references;
}
