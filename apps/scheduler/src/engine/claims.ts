/**
 * One batch of claims: targets are reserved in memory while tasks are taken in order, inputs are computed, then one
 * transaction claims what is still READY. A task whose input cannot be computed fails here; everything that was not claimed
 * gives its reservation back.
 */
import { randomBytes } from 'node:crypto';
import { referencesIn, type FairOrder, type TaskPlan, type TaskReference } from '@cogmesh/scheduling-core';
import type { ReadyEntry, RunRow, TaskRow } from '../model/rows.js';
import { beginDispatch, isTraced, unsampled, type DispatchSpan } from './attempt-spans.js';
import { breather } from './breath.js';
import type { Credits } from './credits.js';
import type { Deferrals } from './deferrals.js';
import type { Engine } from './engine.js';
import type { PlanOf } from './plan-cache.js';
import { failureOfThrown, prepareInput, type AssertTaken, type Prepared } from './prepare-input.js';
import type { Publication, Publisher } from './publisher.js';
import { mergedReferences, type BuiltScope, type Scopes } from './scopes.js';
import { expiryGraceMs, type EngineSettings } from './settings.js';
import type { Choice, Targets } from './targets.js';

export interface ClaimsOptions {
  readonly engine: Engine;
  readonly scopes: Scopes;
  readonly targets: Targets;
  readonly credits: Credits;
  readonly publisher: Publisher;
  readonly order: FairOrder<ReadyEntry>;
  readonly settings: EngineSettings;
  readonly deferrals: Deferrals;
  readonly assertTaken?: AssertTaken;
  /** A deferred task is back in order. */
  readonly onAgain: () => void;
}

interface Reservation {
  readonly entry: ReadyEntry;
  readonly attemptId: string;
  readonly choice: Choice;
}

/** Tasks taken out of the order, each with its reserved target. */
export class Taken {
  readonly reservations: Reservation[] = [];
  readonly #add: (entry: ReadyEntry) => Reservation | undefined;

  constructor(add: (entry: ReadyEntry) => Reservation | undefined) {
    this.#add = add;
  }

  add(entry: ReadyEntry): void {
    const reservation = this.#add(entry);
    if (reservation) this.reservations.push(reservation);
  }

  get size(): number {
    return this.reservations.length;
  }
}

interface Ready {
  readonly planOf: PlanOf;
  readonly built: ReadonlyMap<string, BuiltScope>;
  readonly inputs: ReadonlyMap<string, Prepared>;
}

const attemptIdBytes = 16;

export class Claims {
  readonly #options: ClaimsOptions;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  begin(): Taken {
    return new Taken((entry) => {
      const choice = this.#options.targets.choose(entry.group);
      if (!choice) {
        this.#options.order.add(entry);
        return undefined;
      }
      const attemptId = randomBytes(attemptIdBytes).toString('hex');
      this.#options.credits.hold(attemptId, choice.target, entry);
      return { entry, attemptId, choice };
    });
  }

  /** Answers how many tasks left READY. When it rejects, everything taken is back in order. */
  async commit({ reservations }: Taken): Promise<number> {
    const { credits, deferrals, order } = this.#options;
    try {
      const ready = await this.prepare(reservations.map(({ entry }) => entry));
      const claimed = await this.#claim(reservations, ready);
      for (const { entry, attemptId } of reservations) {
        if (!claimed.has(attemptId)) credits.release(attemptId);
        if (ready.built.get(entry.key)?.error?.retryable) deferrals.defer(entry.key, () => this.#again(entry));
      }
      this.#publish(reservations, ready, claimed);
      return reservations.length;
    } catch (error) {
      for (const { entry, attemptId } of reservations) {
        credits.release(attemptId);
        order.add(entry);
      }
      throw error;
    }
  }

  #again(entry: ReadyEntry): void {
    this.#options.order.add(entry);
    this.#options.onAgain();
  }

  /** Plans, scopes and inputs; the same for the same rows, so that a claim can be published again after a restart. */
  async prepare(entries: readonly Pick<ReadyEntry, 'key' | 'runId' | 'taskId' | 'itemIndex'>[]): Promise<Ready> {
    const { engine, scopes, settings, assertTaken } = this.#options;
    const planOf = await engine.plans.load(engine.database, entries);
    const requests = entries.map((entry) => ({ ...entry, references: inputReferences(planOf(entry)) }));
    const built = await scopes.build(requests);
    const inputs = new Map<string, Prepared>();
    const breathe = breather();
    for (const entry of entries) {
      const found = built.get(entry.key);
      if (found?.scope)
        inputs.set(
          entry.key,
          prepareInput(planOf(entry), found.scope, settings.limits.maxExpressionSteps, assertTaken),
        );
      else if (found?.error && !found.error.retryable)
        inputs.set(entry.key, { ok: false, failure: failureOfThrown(found.error) });
      await breathe();
    }
    return { planOf, built, inputs };
  }

  /** Publishes claims found in the database. */
  async publishAgain(rows: readonly (TaskRow & { attemptId: string })[]): Promise<void> {
    const entries = rows.map((row) => ({ ...row, key: `${row.runId} ${row.taskId} ${row.itemIndex}` }));
    const ready = await this.prepare(entries);
    const publications = entries.flatMap((entry) => this.#publication(entry, ready) ?? []);
    this.#options.publisher.send(publications);
  }

  async #claim(reservations: readonly Reservation[], { inputs }: Ready): Promise<Map<string, TaskRow>> {
    const { engine, settings } = this.#options;
    return engine.transact(
      reservations.map(({ entry }) => entry.runId),
      async (unit, outcomes) => {
        const claimed = new Map<string, TaskRow>();
        await unit.load(reservations.flatMap(({ entry }) => withParent(entry)));
        for (const { entry, attemptId, choice } of reservations) {
          const [task, prepared] = [unit.task(entry), inputs.get(entry.key)];
          if (!task || !prepared || task.state !== 'READY' || !startsTasks(unit.run(task))) continue;
          if (!prepared.ok) {
            outcomes.fail(task, prepared.failure, 'invalid');
            continue;
          }
          const { agentId = null, queue = null, capability } = choice.target;
          const dueAt = unit.now + settings.startWithinMs + expiryGraceMs;
          unit.move(task, 'claim', { attemptId, capability, agentId, queue, claimedAt: unit.now, dueAt });
          claimed.set(attemptId, { ...task });
        }
        return claimed;
      },
    );
  }

  #publish(reservations: readonly Reservation[], ready: Ready, claimed: ReadonlyMap<string, TaskRow>): void {
    const publications = reservations.flatMap(({ entry, attemptId, choice }) => {
      const row = claimed.get(attemptId);
      return row ? (this.#publication({ ...row, attemptId, key: entry.key }, ready, choice) ?? []) : [];
    });
    this.#options.publisher.send(publications);
  }

  #publication(
    row: TaskRow & { attemptId: string; key: string },
    ready: Ready,
    choice?: Choice,
  ): Publication | undefined {
    const [built, prepared] = [ready.built.get(row.key), ready.inputs.get(row.key)];
    if (!built || !prepared?.ok) return undefined;
    const { run } = built;
    const target = choice?.target ?? targetOf(row);
    const span = spanOf(row, run);
    const traceparent = span?.traceparent ?? unsampled(run.traceparent);
    return { row, target, plan: ready.planOf(row), input: prepared.input, traceparent, span };
  }
}

function spanOf(row: TaskRow & { attemptId: string }, run: BuiltScope['run']): DispatchSpan | undefined {
  if (!isTraced(row, run.totalTasks)) return undefined;
  return beginDispatch({ ...row, attempt: row.attempt + 1, capability: row.capability ?? '' }, run.traceparent);
}

function targetOf(row: TaskRow): Choice['target'] {
  const capability = row.capability ?? '';
  return row.queue === null ? { agentId: row.agentId ?? '', capability } : { queue: row.queue, capability };
}

/** Not failing, not paused. */
export const startsTasks = ({ error, state }: Pick<RunRow, 'error' | 'state'>): boolean =>
  error === null && state !== 'PAUSED';

/** An item that fails takes its task along, so both are read. */
const withParent = ({ runId, taskId, itemIndex }: ReadyEntry) => [
  { runId, taskId, itemIndex },
  ...(itemIndex < 0 ? [] : [{ runId, taskId, itemIndex: -1 }]),
];

/** Scripts and tools get stored outputs by value, since they cannot open a blob; models get the reference. */
function inputReferences(plan: TaskPlan): TaskReference[] {
  const references = mergedReferences(referencesIn(plan.input, plan.forEach === undefined ? 'task' : 'item'));
  return plan.uses.startsWith('model:') ? references : references.map((reference) => ({ ...reference, deep: true }));
}
