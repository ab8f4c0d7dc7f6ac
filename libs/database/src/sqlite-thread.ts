/**
 * One life of the SQLite thread, seen from the main thread: requests out, answers in. When the thread ends, whatever was
 * waiting is `unavailable`, and so is everything asked later; a new life is the engine's business.
 */
import { Worker } from 'node:worker_threads';
import { CogmeshError } from '@cogmesh/errors';
import type { Outcome } from './engine.js';
import { fromSqlite } from './sqlite-errors.js';
import type { SqliteAnswer, SqliteFile, SqliteRequest } from './sqlite-worker.js';

/** `.ts` from source, `.js` from dist. */
const workerEntry = new URL(`./sqlite-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

type RequestBody = SqliteRequest extends infer R ? (R extends SqliteRequest ? Omit<R, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (outcome: Answered) => void;
  readonly reject: (error: CogmeshError) => void;
}

type Answered = Omit<Exclude<SqliteAnswer, { failure: unknown }>, 'id' | 'columns' | 'rows'> & Outcome;

function answered({ columns, rows, ...answer }: Exclude<SqliteAnswer, { failure: unknown }>): Answered {
  const named = rows.map((cells) => {
    const row: Record<string, unknown> = {};
    columns.forEach((column, index) => (row[column] = cells[index]));
    return row;
  });
  return { ...answer, rows: named };
}

export class SqliteThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened = Promise.withResolvers<Answered>();
  #lastId = 0;
  #ended: CogmeshError | undefined;

  private constructor(file: SqliteFile) {
    this.#waiting.set(0, this.#opened);
    // Its own flags: a loader of the main thread (tsx, a test runner) has no business in it.
    this.#worker = new Worker(workerEntry, { workerData: file, name: 'cogmesh-sqlite', execArgv: [] });
    this.#worker.on('message', (answer: SqliteAnswer) => this.#onAnswer(answer));
    this.#worker.on('error', (error) => this.#end(`the SQLite thread failed: ${error.message}`));
    this.#worker.on('exit', () => this.#end('the SQLite thread has ended'));
  }

  /** Resolves when the file is open; rejects with `unavailable` or `data_loss`. */
  static async start(file: SqliteFile): Promise<SqliteThread> {
    const thread = new SqliteThread(file);
    try {
      await thread.#opened.promise;
      return thread;
    } catch (thrown) {
      await thread.kill();
      throw thrown;
    }
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  async ask(request: RequestBody): Promise<Answered> {
    if (this.#ended) throw this.#ended;
    const id = (this.#lastId += 1);
    const waiting = Promise.withResolvers<Answered>();
    this.#waiting.set(id, waiting);
    // An idle database keeps no process alive; a pending answer does.
    this.#worker.ref();
    this.#worker.postMessage({ id, ...request });
    return await waiting.promise;
  }

  /** Ends the thread at once, whatever it does. Committed data stays. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  #onAnswer(answer: SqliteAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('failure' in answer) waiting?.reject(fromSqlite(answer.failure));
    else waiting?.resolve(answered(answer));
  }

  #end(reason: string): void {
    this.#ended ??= new CogmeshError('unavailable', reason);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
