/**
 * `EngineStore` over `StoredState`, with the manners of a database: it copies what it is given before it waits, answers some
 * time later, and may fail before or after it did what it was asked, which the caller cannot tell apart.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { LoadedRun, NewRun } from '../engine/new-run.js';
import type { EngineStore, Flush, Flushed, LanePage, Ownership, Snapshot } from '../engine/ports.js';
import type { ReadyEntry, TaskRef, TaskRow } from '../engine/rows.js';
import { StoredState, type Whose } from './stored-state.js';

/** `before`: nothing is stored. `after`: it is stored, the answer is lost. `late`: it is stored a while after the caller gave up. */
export type StoreFault = 'before' | 'after' | 'late';

export interface StoreManners {
  /** Resolves when the store has got as far as to act. */
  readonly wait?: (operation: keyof EngineStore | 'submit') => Promise<void>;
  /** Asked once for each operation; reads only fail. */
  readonly fault?: (operation: keyof EngineStore | 'submit') => StoreFault | undefined;
  /** How an answer gets to who asked; at once without it. */
  readonly hear?: <T>(answer: Promise<T>) => Promise<T>;
  /** Sees every flush before it is stored, as it is stored. */
  readonly onFlush?: (flush: Flush, state: StoredState) => void;
  readonly onStored?: (flush: Flush, state: StoredState) => void;
}

export class MemoryStore implements EngineStore {
  readonly state: StoredState;
  readonly #manners: StoreManners;

  /** Several stores over one state are the connections of several processes. */
  constructor(state: StoredState = new StoredState(), manners: StoreManners = {}) {
    this.state = state;
    this.#manners = manners;
  }

  snapshot(shards: readonly number[]): Promise<Snapshot> {
    return this.#read('snapshot', () => this.state.snapshot(shards));
  }

  load(runIds: readonly string[]): Promise<LoadedRun[]> {
    return this.#read('load', () => this.state.load(runIds));
  }

  payloads(refs: readonly TaskRef[]): Promise<(TaskRef & Pick<TaskRow, 'item' | 'output'>)[]> {
    const wanted = refs.map(({ runId, taskId, itemIndex }) => ({ runId, taskId, itemIndex }));
    return this.#read('payloads', () => this.state.payloads(wanted));
  }

  itemOutputs(runId: string, taskId: string): Promise<(string | null)[]> {
    return this.#read('itemOutputs', () => this.state.itemOutputs(runId, taskId));
  }

  ready(shards: readonly number[], page: LanePage): Promise<ReadyEntry[]> {
    return this.#read('ready', () => this.state.ready(shards, page));
  }

  due(shards: readonly number[], until: number, limit: number): Promise<string[]> {
    return this.#read('due', () => this.state.due(shards, until, limit));
  }

  nestedIn(runId: string): Promise<string[]> {
    return this.#read('nestedIn', () => this.state.nestedIn(runId));
  }

  async flush(flush: Flush): Promise<Flushed> {
    const copy = copyOf(flush);
    await this.#hear(
      this.#write('flush', () => {
        this.#manners.onFlush?.(copy, this.state);
        this.state.apply(copy);
        this.#manners.onStored?.(copy, this.state);
      }),
    );
    return { deliveries: 0 };
  }

  verify(owned: Ownership): Promise<void> {
    const asked = new Map(owned);
    return this.#read('verify', () => this.state.verify(asked));
  }

  /** A run from a caller. Answers it as `load` would, payloads included. */
  async submit(born: NewRun): Promise<LoadedRun> {
    await this.#hear(this.#write('submit', () => this.state.submit(born)));
    const stored = this.state.runs.get(born.run.id);
    if (!stored) throw new CogmeshError('internal', `run ${born.run.id} was not stored`);
    return { run: { ...stored.row }, tasks: [...stored.tasks.values()].map((task) => ({ ...task })) };
  }

  /** The same for one of several schedulers, which has this epoch of the run's shard. */
  async submitAs(born: NewRun, epoch: number | undefined): Promise<Whose> {
    let whose: Whose = 'known';
    await this.#hear(this.#write('submit', () => (whose = this.state.submitAs(born, epoch))));
    return whose;
  }

  #hear<T>(answer: Promise<T>): Promise<T> {
    return this.#manners.hear?.(answer) ?? answer;
  }

  #read<T>(operation: keyof EngineStore, read: () => T): Promise<T> {
    return this.#hear(this.#reading(operation, read));
  }

  async #reading<T>(operation: keyof EngineStore, read: () => T): Promise<T> {
    const fault = this.#manners.fault?.(operation);
    await this.#manners.wait?.(operation);
    if (fault !== undefined) throw down(operation);
    return read();
  }

  async #write(operation: 'flush' | 'submit', write: () => void): Promise<void> {
    const { fault, wait } = this.#manners;
    const failing = fault?.(operation);
    await wait?.(operation);
    if (failing === 'late') void this.#writeLate(operation, write);
    if (failing !== 'before' && failing !== 'late') write();
    if (failing !== undefined) throw down(operation);
  }

  /** Nobody waits for it any more; fenced, it writes nothing. */
  async #writeLate(operation: 'flush' | 'submit', write: () => void): Promise<void> {
    await this.#manners.wait?.(operation);
    try {
      write();
    } catch (error) {
      if (!(error instanceof CogmeshError && error.details['fenced'] === true)) throw error;
    }
  }
}

const down = (operation: string): CogmeshError =>
  new CogmeshError('unavailable', `the store does not answer (${operation})`);

function copyOf(flush: Flush): Flush {
  const { owned, newRuns, newTasks, tasks, runs, history, moves, takenOn } = flush;
  return {
    now: flush.now,
    owned: new Map(owned),
    newRuns: newRuns.map((born) => ({ ...born, run: { ...born.run } })),
    newTasks: newTasks.map((task) => ({ ...task })),
    tasks: tasks.map((task) => ({ ...task })),
    runs: runs.map((run) => ({ ...run })),
    history: [...history],
    moves: [...moves],
    takenOn: [...takenOn],
  };
}
