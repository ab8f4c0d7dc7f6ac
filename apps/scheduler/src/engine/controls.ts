/**
 * Steps that need more than one transaction: what precedes a claim (`when`, `sleep`, `forEach`), joining the outputs of
 * items, the end of a run, and what the end of a nested run means for its task. Each reads what never changes, computes, then applies the answer under the run's lock if the
 * state still asks for it. So each may be done twice, and all are found again in the database after a restart.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { TaskRef } from '../adapters/engine-tables.js';
import type { SqlScopes } from '../adapters/sql-scopes.js';
import { taskKey, type ReadyEntry } from '../model/rows.js';
import { finishRuns } from './finish-run.js';
import { joinItems } from './join-items.js';
import { answerParents, endOrphans } from './nested-runs.js';
import type { Engine } from './engine.js';
import type { Payloads } from './payloads.js';
import { precedeClaims } from './precede-claim.js';
import type { Scopes } from './scopes.js';
import type { EngineSettings } from './settings.js';

export interface ControlParts {
  readonly engine: Engine;
  readonly scopes: Scopes;
  readonly sql: SqlScopes;
  readonly payloads: Payloads;
  readonly settings: EngineSettings;
  readonly newRunId: () => string;
  /** A task whose `when` is true and that is work for an agent. */
  readonly toOrder: (entry: ReadyEntry) => void;
  /** Tries a step again after a wait of its own. */
  readonly later: (key: string, again: () => void) => void;
}

/** What the steps themselves see. */
export interface ControlContext extends ControlParts {
  readonly precede: (entry: ReadyEntry) => void;
  readonly join: (ref: TaskRef) => void;
  readonly finish: (runId: string) => void;
}

/** Steps of one kind taken at once. */
const batch = 200;

export class Controls {
  readonly #context: ControlContext;
  readonly #logger: Logger;
  readonly #precede = new Map<string, ReadyEntry>();
  readonly #join = new Map<string, TaskRef>();
  readonly #finish = new Set<string>();
  readonly #answer = new Set<string>();
  readonly #orphans = new Set<string>();

  constructor(parts: ControlParts, logger: Logger) {
    this.#context = {
      ...parts,
      precede: (entry) => this.precede(entry),
      join: (ref) => this.join(ref),
      finish: (runId) => this.finish(runId),
    };
    this.#logger = logger;
  }

  get isEmpty(): boolean {
    return [this.#precede, this.#join, this.#finish, this.#answer, this.#orphans].every(({ size }) => size === 0);
  }

  precede(entry: ReadyEntry): void {
    this.#precede.set(entry.key, entry);
  }

  forget(key: string): void {
    this.#precede.delete(key);
  }

  /** Of a task that is about to be prepared. */
  reprioritise(entry: ReadyEntry): void {
    if (this.#precede.has(entry.key)) this.#precede.set(entry.key, entry);
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
    this.#join.set(taskKey(ref), ref);
  }

  finish(runId: string): void {
    this.#finish.add(runId);
  }

  /** One batch of each kind. Answers false when a step could not be done now; it stays for later. */
  async step(): Promise<boolean> {
    const entries = takeValues(this.#precede);
    const joins = takeValues(this.#join);
    const runIds = takeIds(this.#finish);
    const answers = takeIds(this.#answer);
    const orphans = takeIds(this.#orphans);
    const done = await Promise.all([
      this.#attempt(
        () => precedeClaims(this.#context, entries),
        () => entries.forEach((entry) => this.precede(entry)),
      ),
      this.#attempt(
        () => joinItems(this.#context, joins),
        () => joins.forEach((ref) => this.join(ref)),
      ),
      this.#attempt(
        () => finishRuns(this.#context, runIds),
        () => runIds.forEach((id) => this.finish(id)),
      ),
      this.#attempt(
        () => answerParents(this.#context, answers),
        () => answers.forEach((id) => this.answer(id)),
      ),
      this.#attempt(
        () => endOrphans(this.#context, orphans),
        () => orphans.forEach((id) => this.endOrphan(id)),
      ),
    ]);
    return done.every(Boolean);
  }

  async #attempt(work: () => Promise<void>, putBack: () => void): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      this.#logger.warn({ code: error.code, err: error }, `a step has to wait: ${error.message}`);
      putBack();
      return false;
    }
  }
}

function takeIds(ids: Set<string>): string[] {
  const taken = [...ids].slice(0, batch);
  for (const id of taken) ids.delete(id);
  return taken;
}

function takeValues<T>(map: Map<string, T>): T[] {
  const taken = [...map].slice(0, batch);
  for (const [key] of taken) map.delete(key);
  return taken.map(([, value]) => value);
}
