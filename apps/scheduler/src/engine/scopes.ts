/**
 * Builds what expressions read for a batch of tasks with a handful of queries. An output that was stored as a JSON blob is
 * loaded only when an expression looks inside it; handed on whole, it stays a reference.
 */
import {
  blobIdOf,
  isJsonObject,
  type Json,
  type JsonObject,
  type Scope,
  type TaskReference,
} from '@cogmesh/scheduling-core';
import { toCogmeshError, type CogmeshError } from '@cogmesh/errors';
import type { TaskRef } from '../adapters/engine-tables.js';
import type { ScopeRun, SqlScopes } from '../adapters/sql-scopes.js';
import { taskKey } from '../model/rows.js';
import type { Payloads } from './payloads.js';

export interface ScopeRequest extends TaskRef {
  readonly references: readonly TaskReference[];
}

/** `error`: an output it looks inside could not be loaded; nobody else's scope suffers from that. */
export type BuiltScope = { readonly run: ScopeRun } & (
  { readonly scope: Scope; readonly error?: undefined } | { readonly scope?: undefined; readonly error: CogmeshError }
);

interface Loaded {
  readonly output: Json;
  readonly state: string;
  readonly error?: CogmeshError;
}

export class Scopes {
  readonly #sql: SqlScopes;
  readonly #payloads: Payloads;

  constructor(sql: SqlScopes, payloads: Payloads) {
    this.#sql = sql;
    this.#payloads = payloads;
  }

  /** One scope per request, by its key; a request whose run is gone has none. */
  async build(requests: readonly ScopeRequest[]): Promise<Map<string, BuiltScope>> {
    const runs = await this.#runs(requests);
    const outputs = await this.#outputs(requests, runs);
    const items = await this.#items(requests);
    const inputs = new Map([...runs].map(([id, run]) => [id, baseScope(run)]));
    const built = new Map<string, BuiltScope>();
    for (const request of requests) {
      const [run, base] = [runs.get(request.runId), inputs.get(request.runId)];
      if (!run || !base) continue;
      const loaded = request.references.map(
        (each) => [each.task, outputs.get(outputKey(request.runId, each)) ?? absent] as const,
      );
      const error = loaded.find(([, { error: failed }]) => failed !== undefined)?.[1].error;
      const item = items.get(taskKey(request));
      const own = item === undefined ? {} : { item, index: request.itemIndex };
      const scope = { ...base, tasks: Object.fromEntries(loaded), ...own };
      built.set(taskKey(request), error === undefined ? { run, scope } : { run, error });
    }
    return built;
  }

  async #runs(requests: readonly ScopeRequest[]): Promise<Map<string, ScopeRun>> {
    const ids = [...new Set(requests.map((request) => request.runId))];
    const rows = ids.length === 0 ? [] : await this.#sql.runs(ids);
    return new Map(rows.map((run) => [run.id, run]));
  }

  async #items(requests: readonly ScopeRequest[]): Promise<Map<string, Json>> {
    const wanted = requests.filter((request) => request.itemIndex >= 0);
    const rows = wanted.length === 0 ? [] : await this.#sql.items(wanted);
    return new Map(rows.map((row) => [taskKey(row), JSON.parse(row.item) as Json]));
  }

  async #outputs(requests: readonly ScopeRequest[], runs: ReadonlyMap<string, ScopeRun>): Promise<Map<string, Loaded>> {
    const wanted = new Map<string, { runId: string; taskId: string; deep: boolean }>();
    for (const { runId, references } of requests) {
      for (const reference of references) {
        // Both forms of one output may be wanted by one batch; they are kept apart by the key.
        wanted.set(outputKey(runId, reference), { runId, taskId: reference.task, deep: reference.deep });
      }
    }
    if (wanted.size === 0) return new Map();
    const rows = await this.#sql.outputs([...wanted.values()]);
    const byTask = new Map(rows.map((row) => [`${row.runId} ${row.taskId}`, row]));
    const loaded = new Map<string, Loaded>();
    for (const [key, { runId, taskId, deep }] of wanted) {
      const row = byTask.get(`${runId} ${taskId}`);
      const output = JSON.parse(row?.output ?? 'null') as Json;
      const organisation = runs.get(runId)?.organisation ?? '';
      const state = row?.state ?? 'BLOCKED';
      loaded.set(key, deep ? await this.#insideOrError({ output, state }, organisation) : { output, state });
    }
    return loaded;
  }

  async #insideOrError({ output, state }: Loaded, organisation: string): Promise<Loaded> {
    try {
      return { output: await this.inside(output, organisation), state };
    } catch (thrown) {
      return { output: null, state, error: toCogmeshError(thrown) };
    }
  }

  /** The value behind a reference to stored JSON; anything else is itself. */
  async inside(output: Json, organisation: string): Promise<Json> {
    const id = isJsonObject(output) && output['mediaType'] === 'application/json' ? blobIdOf(output) : undefined;
    return id === undefined ? output : this.#payloads.load(id, organisation);
  }
}

const absent: Loaded = { output: null, state: 'BLOCKED' };

/** Within one task `deep` wins: an expression elsewhere in it looks inside. */
export function mergedReferences(references: readonly TaskReference[]): TaskReference[] {
  const merged = new Map<string, TaskReference>();
  for (const reference of references) {
    const known = merged.get(reference.task);
    if (!known || (reference.deep && !known.deep)) merged.set(reference.task, { ...reference, field: 'output' });
  }
  return [...merged.values()];
}

const outputKey = (runId: string, { task, deep }: TaskReference): string =>
  `${runId} ${task} ${deep ? 'inside' : 'whole'}`;

function baseScope(run: ScopeRun): Omit<Scope, 'tasks'> {
  const labels = JSON.parse(run.labels) as JsonObject;
  return {
    input: JSON.parse(run.input) as Json,
    run: { id: run.id, name: run.name, organisation: run.organisation, labels },
  };
}
