/**
 * Builds what expressions read, from runs in memory. Texts that only the store holds are read from there, all of a batch at
 * once; an output that was stored as a JSON blob is loaded only when an expression looks inside it. Handed on whole, it
 * stays a reference. The caller keeps the runs in memory meanwhile.
 */
import { toCogmeshError, type CogmeshError } from '@cogmesh/errors';
import type { Scope } from '../expressions/expression.js';
import type { TaskReference } from '../expressions/names.js';
import { blobIdOf, isJsonObject, type Json, type JsonObject } from '../json.js';
import type { Payloads } from './payloads.js';
import type { ResidentRun } from './resident-run.js';
import type { Residents } from './residents.js';
import { taskKey, type RunRow, type TaskRef, type TaskRow } from './rows.js';

export interface ScopeRequest extends TaskRef {
  readonly references: readonly TaskReference[];
}

/** `error`: an output it looks inside could not be loaded; nobody else's scope suffers from that. */
export type BuiltScope = { readonly run: RunRow } & (
  { readonly scope: Scope; readonly error?: undefined } | { readonly scope?: undefined; readonly error: CogmeshError }
);

interface Loaded {
  readonly output: Json;
  readonly state: string;
  readonly error?: CogmeshError;
}

/** As they were when a batch began: memory may put texts out while others are read. */
type Texts = ReadonlyMap<TaskRow, Pick<TaskRow, 'item' | 'output'>>;

const absent: Loaded = { output: null, state: 'BLOCKED' };

export class Scopes {
  readonly #residents: Residents;
  readonly #payloads: Payloads;

  constructor(residents: Residents, payloads: Payloads) {
    this.#residents = residents;
    this.#payloads = payloads;
  }

  /** `build` would wait for nobody. */
  isInMemory({ runId, taskId, itemIndex, references }: ScopeRequest): boolean {
    const run = this.#residents.get(runId);
    if (!run) return false;
    if (itemIndex >= 0 && run.task(taskId, itemIndex)?.item === undefined) return false;
    return references.every(({ task, deep }) => {
      const row = run.task(task);
      if (!row) return true;
      return row.output !== undefined && !(deep && (row.output?.includes('"$blob"') ?? false));
    });
  }

  /** One scope per request, by its key; a request whose run is gone has none. */
  async build(requests: readonly ScopeRequest[]): Promise<Map<string, BuiltScope>> {
    const batch = new Batch(this.#payloads);
    const texts = await this.#texts(requests);
    const built = new Map<string, BuiltScope>();
    for (const request of requests) {
      const run = this.#residents.get(request.runId);
      if (!run) continue;
      await batch.load(run, request, texts);
      built.set(taskKey(request), batch.scopeOf(run, request, texts));
    }
    return built;
  }

  /** The value behind a reference to stored JSON; anything else is itself. */
  async inside(output: Json, organisation: string): Promise<Json> {
    const id = storedJsonIn(output);
    return id === undefined ? output : this.#payloads.load(id, organisation);
  }

  async #texts(requests: readonly ScopeRequest[]): Promise<Texts> {
    const texts = new Map<TaskRow, Pick<TaskRow, 'item' | 'output'>>();
    const missing: TaskRow[] = [];
    for (const { row, isMissing } of requests.flatMap((request) => this.#rowsOf(request))) {
      texts.set(row, { item: row.item, output: row.output });
      if (isMissing) missing.push(row);
    }
    if (missing.length === 0) return texts;
    const read = await this.#residents.withPayloads(missing);
    for (const row of missing) {
      const { item = row.item, output = row.output } = read.get(taskKey(row)) ?? {};
      texts.set(row, { item, output });
    }
    return texts;
  }

  /** The rows whose texts it needs, and whether only the store has them. */
  #rowsOf({ runId, taskId, itemIndex, references }: ScopeRequest) {
    const run = this.#residents.get(runId);
    const own = itemIndex < 0 ? undefined : run?.task(taskId, itemIndex);
    const parents = references.flatMap(({ task }) => run?.task(task) ?? []);
    const rows = parents.map((row) => ({ row, isMissing: row.output === undefined }));
    return own ? [...rows, { row: own, isMissing: own.item === undefined }] : rows;
  }
}

/** What many scopes of one batch share is parsed and loaded once. */
class Batch {
  readonly #payloads: Payloads;
  readonly #bases = new Map<RunRow, Omit<Scope, 'tasks'>>();
  readonly #outputs = new Map<TaskRow, Loaded>();
  /** Outputs that were looked inside. */
  readonly #insides = new Map<TaskRow, Loaded>();

  constructor(payloads: Payloads) {
    this.#payloads = payloads;
  }

  /** Waits only for stored JSON that is looked inside. */
  async load(run: ResidentRun, { references }: ScopeRequest, texts: Texts): Promise<void> {
    for (const { task, deep } of references) {
      const row = run.task(task);
      if (!row) continue;
      let loaded = this.#outputs.get(row);
      if (!loaded) this.#outputs.set(row, (loaded = parsed(row, texts)));
      if (!deep || this.#insides.has(row)) continue;
      const id = storedJsonIn(loaded.output);
      this.#insides.set(row, id === undefined ? loaded : await this.#inside(loaded, id, row.organisation));
    }
  }

  scopeOf(resident: ResidentRun, { taskId, itemIndex, references }: ScopeRequest, texts: Texts): BuiltScope {
    const run = resident.row;
    const loaded = references.map(({ task, deep }) => {
      const row = resident.task(task);
      return [task, (row && (deep ? this.#insides : this.#outputs).get(row)) ?? absent] as const;
    });
    const error = loaded.find(([, { error: failed }]) => failed !== undefined)?.[1].error;
    if (error !== undefined) return { run, error };
    const tasks = Object.fromEntries(loaded);
    return { run, scope: { ...this.#baseOf(run), tasks, ...itemOf(resident.task(taskId, itemIndex), texts) } };
  }

  async #inside({ state }: Loaded, id: string, organisation: string): Promise<Loaded> {
    try {
      return { output: await this.#payloads.load(id, organisation), state };
    } catch (thrown) {
      return { output: null, state, error: toCogmeshError(thrown) };
    }
  }

  #baseOf(run: RunRow): Omit<Scope, 'tasks'> {
    let base = this.#bases.get(run);
    if (!base) {
      const labels = JSON.parse(run.labels) as JsonObject;
      const { id, name, organisation } = run;
      base = { input: JSON.parse(run.input) as Json, run: { id, name, organisation, labels } };
      this.#bases.set(run, base);
    }
    return base;
  }
}

function parsed(row: TaskRow, texts: Texts): Loaded {
  const text = texts.get(row)?.output;
  return { output: JSON.parse(text ?? 'null') as Json, state: row.state };
}

function itemOf(task: TaskRow | undefined, texts: Texts): Pick<Scope, 'item' | 'index'> {
  if (!task || task.itemIndex < 0) return {};
  const text = texts.get(task)?.item;
  return { item: JSON.parse(text ?? 'null') as Json, index: task.itemIndex };
}

export function storedJsonIn(output: Json): string | undefined {
  return isJsonObject(output) && output['mediaType'] === 'application/json' ? blobIdOf(output) : undefined;
}

/** Within one task `deep` wins: an expression elsewhere in it looks inside. */
export function mergedReferences(references: readonly TaskReference[]): TaskReference[] {
  const merged = new Map<string, TaskReference>();
  for (const reference of references) {
    const known = merged.get(reference.task);
    if (!known || (reference.deep && !known.deep)) merged.set(reference.task, { ...reference, field: 'output' });
  }
  return [...merged.values()];
}
