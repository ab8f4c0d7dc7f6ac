/**
 * Which runs are in memory. Those with work in flight, with changes that are not stored yet or under a decision stay; the
 * others are put out, least recently used first, when there are too many rows. Texts of outputs and items are bounded by
 * bytes of their own and put out first: they are the large part, and few decisions read them.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { EngineStore } from './ports.js';
import type { LoadedRun } from './new-run.js';
import { ResidentRun } from './resident-run.js';
import { taskKey, type TaskRef, type TaskRow } from './rows.js';

export interface ResidentsOptions {
  readonly store: Pick<EngineStore, 'load' | 'payloads'>;
  /** Task rows in memory beyond which unused runs are put out. */
  readonly maxRows: number;
  /** Bytes of outputs and items beyond which the oldest are put out. */
  readonly maxPayloadBytes: number;
  /** The row's newest output is not stored yet. */
  readonly isDirty: (task: TaskRow) => boolean;
  /** A run is in memory now: its timers and held attempts are to be known. */
  readonly onLoaded: (run: ResidentRun) => void;
  readonly onEvicted: (run: ResidentRun) => void;
}

export class Residents {
  readonly #options: ResidentsOptions;
  /** Least recently used first. */
  #runs = new Map<string, ResidentRun>();
  #loading = new Map<string, Promise<boolean>>();
  /** Runs that were put out while they were being read: what was read may be older than what was stored since. */
  #outdated = new Set<string>();
  /** Runs that somebody is about to hand in as they were born: never put out before, or they would come back that young. */
  readonly #expected = new Set<string>();
  #payloads = new Map<TaskRow, number>();
  #payloadBytes = 0;
  #rows = 0;

  constructor(options: ResidentsOptions) {
    this.#options = options;
  }

  get rows(): number {
    return this.#rows;
  }

  get size(): number {
    return this.#runs.size;
  }

  get all(): Iterable<ResidentRun> {
    return this.#runs.values();
  }

  get(runId: string): ResidentRun | undefined {
    return this.#runs.get(runId);
  }

  /** Forgets everything. */
  clear(): void {
    this.#runs = new Map();
    this.#loading = new Map();
    this.#outdated = new Set();
    this.#payloads = new Map();
    this.#payloadBytes = 0;
    this.#rows = 0;
  }

  /** The run will be adopted as it was born, or not at all; answers what to call then. */
  expect(runId: string): () => void {
    this.#expected.add(runId);
    return () => void this.#expected.delete(runId);
  }

  /**
   * Loads what is missing; runs that are gone are left out of the answer. Nothing of it is put out until `release`. Rejects
   * with `unavailable` when the store does not answer or `clear` comes between.
   */
  async pin(runIds: Iterable<string>): Promise<ResidentRun[]> {
    const pinned = new Map<string, ResidentRun>();
    const memory = this.#runs;
    let wanted = [...new Set(runIds)];
    try {
      while (wanted.length > 0) {
        const missing = wanted.filter((id) => !this.#pinned(id, pinned));
        if (missing.length === 0) break;
        const exists = await Promise.all(this.#load(missing));
        // Whoever cleared it says when the store may be read again.
        if (this.#runs !== memory) throw new CogmeshError('unavailable', 'memory was cleared meanwhile; try again');
        // One that was loaded may be put out again before this goes on; it is loaded once more then.
        wanted = missing.filter((_, index) => exists[index]);
      }
    } catch (error) {
      this.release(pinned.values());
      throw error;
    }
    return [...pinned.values()];
  }

  #pinned(id: string, pinned: Map<string, ResidentRun>): boolean {
    const run = this.#runs.get(id);
    if (!run) return false;
    run.pins += 1;
    pinned.set(id, run);
    return true;
  }

  release(runs: Iterable<ResidentRun>): void {
    for (const run of runs) {
      run.pins -= 1;
      if (this.#runs.get(run.row.id) !== run) continue;
      this.#runs.delete(run.row.id);
      this.#runs.set(run.row.id, run);
    }
    this.#evict();
  }

  /** A run that is new, and therefore known whole. */
  adopt(loaded: LoadedRun): ResidentRun {
    const known = this.#runs.get(loaded.run.id);
    if (known) return known;
    const run = new ResidentRun(loaded);
    this.#runs.set(run.row.id, run);
    this.#rows += run.size;
    this.#options.onLoaded(run);
    return run;
  }

  /** Rows were added to a run. */
  grew(rows: number): void {
    this.#rows += rows;
  }

  /** The row's output or item is in memory now. */
  keepPayload(task: TaskRow): void {
    const bytes = (task.output?.length ?? 0) + (task.item?.length ?? 0);
    this.#payloadBytes += bytes - (this.#payloads.get(task) ?? 0);
    this.#payloads.delete(task);
    if (bytes > 0) this.#payloads.set(task, bytes);
    this.#dropPayloads();
  }

  /**
   * Reads the texts of these rows that only the store holds. They are in the rows afterwards unless they are too many to
   * keep; the answer has all that were read, by key.
   */
  async withPayloads(refs: readonly TaskRef[]): Promise<ReadonlyMap<string, Pick<TaskRow, 'item' | 'output'>>> {
    const missing = refs.flatMap((ref) => {
      const task = this.#find(ref);
      return task && (task.output === undefined || task.item === undefined) ? [task] : [];
    });
    if (missing.length === 0) return new Map();
    // An output that is made while the store is asked is not in its answer, and may be put out again before that comes.
    const asked = new Map(missing.map((task) => [task, task.finishedAt]));
    const read = new Map((await this.#options.store.payloads(missing)).map((row) => [taskKey(row), row]));
    for (const task of missing) {
      // Its run may have been put out meanwhile.
      if (this.#find(task) !== task) continue;
      const row = read.get(taskKey(task));
      // Decided meanwhile: what memory has is newer than what was read.
      if (task.output === undefined && task.finishedAt === asked.get(task)) task.output = row?.output ?? null;
      if (task.item === undefined) task.item = row?.item ?? null;
      this.keepPayload(task);
    }
    return read;
  }

  #find({ runId, taskId, itemIndex }: TaskRef): TaskRow | undefined {
    return this.#runs.get(runId)?.task(taskId, itemIndex);
  }

  /** One answer for each id: whether there is such a run. */
  #load(ids: readonly string[]): Promise<boolean>[] {
    const loading = this.#loading;
    const fresh = ids.filter((id) => !loading.has(id));
    if (fresh.length > 0) {
      const reading = this.#options.store.load(fresh).then((loaded) => {
        // Read for a memory that has been cleared since.
        if (this.#loading !== loading) return new Set<string>();
        // Those that are left out are asked for once more by who waits for them.
        for (const run of loaded) if (!this.#outdated.delete(run.run.id)) this.adopt(run);
        return new Set(loaded.map(({ run }) => run.id));
      });
      for (const id of fresh) {
        const exists = reading.then((found) => found.has(id)).finally(() => loading.delete(id));
        exists.catch(() => undefined);
        loading.set(id, exists);
      }
    }
    return ids.map((id) => loading.get(id) ?? Promise.resolve(false));
  }

  #evict(): void {
    if (this.#rows <= this.#options.maxRows) return;
    for (const [id, run] of this.#runs) {
      if (this.#rows <= this.#options.maxRows) return;
      if (run.pins > 0 || run.isInFlight || this.#expected.has(id)) continue;
      this.#runs.delete(id);
      if (this.#loading.has(id)) this.#outdated.add(id);
      this.#rows -= run.size;
      for (const task of run.tasks) this.#forgetPayload(task);
      this.#options.onEvicted(run);
    }
  }

  #dropPayloads(): void {
    if (this.#payloadBytes <= this.#options.maxPayloadBytes) return;
    for (const task of this.#payloads.keys()) {
      if (this.#payloadBytes <= this.#options.maxPayloadBytes) return;
      if (this.#options.isDirty(task)) continue;
      this.#forgetPayload(task);
      if (task.output !== null) task.output = undefined;
      if (task.item !== null) task.item = undefined;
    }
  }

  #forgetPayload(task: TaskRow): void {
    this.#payloadBytes -= this.#payloads.get(task) ?? 0;
    this.#payloads.delete(task);
  }
}
