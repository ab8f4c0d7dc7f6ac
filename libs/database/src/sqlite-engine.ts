/**
 * SQLite behind the engine port. Writes and transactions take turns in the order of asking; reads outside a transaction
 * go ahead on the reading connection and see what is committed. A dead thread is replaced at the next use, once per use.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Compiled, Engine, Outcome, Session, Wanted } from './engine.js';
import { compile } from './compile.js';
import { Fifo } from './fifo.js';
import type { Statement } from './port.js';
import { SqliteThread } from './sqlite-thread.js';
import type { SqliteFile } from './sqlite-worker.js';

export class SqliteEngine implements Engine {
  readonly dialect = 'sqlite';
  readonly #turns = new Fifo();
  #thread: Promise<SqliteThread> | undefined;
  #closed = false;

  constructor(readonly file: SqliteFile) {}

  /** The living thread, started when there is none. Rejects when the file cannot be opened. */
  async thread(): Promise<SqliteThread> {
    if (this.#closed) throw new CogmeshError('unavailable', 'the database is closed');
    const started = this.#thread;
    const current = await started?.catch(() => undefined);
    if (current?.alive) return current;
    // Only the first of those who found it dead starts another one.
    if (this.#thread === started) this.#thread = SqliteThread.start(this.file);
    return await (this.#thread as Promise<SqliteThread>);
  }

  async run(statement: Compiled, wanted: Wanted): Promise<Outcome> {
    if (wanted === 'rows' && this.file.path !== ':memory:' && readsOnly(statement.text)) {
      return await (await this.thread()).ask({ act: 'read', ...statement });
    }
    const done = await this.#turns.acquire();
    try {
      return await (await this.thread()).ask({ act: wanted, ...statement });
    } finally {
      done();
    }
  }

  async batch(statements: readonly Statement[]): Promise<number[]> {
    const compiled = statements.map((statement) => compile(this.dialect, statement));
    const done = await this.#turns.acquire();
    try {
      const { each } = await (await this.thread()).ask({ act: 'batch', statements: compiled });
      return [...(each ?? [])];
    } finally {
      done();
    }
  }

  async begin(): Promise<Session> {
    const done = await this.#turns.acquire();
    try {
      const thread = await this.thread();
      await thread.ask({ act: 'begin' });
      return new SqliteSession(thread, done);
    } catch (thrown) {
      done();
      throw thrown;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const done = await this.#turns.acquire();
    try {
      const thread = await this.#thread?.catch(() => undefined);
      if (thread?.alive) await thread.ask({ act: 'close' }).finally(() => thread.kill());
    } finally {
      done();
    }
  }
}

class SqliteSession implements Session {
  constructor(
    readonly thread: SqliteThread,
    readonly release: () => void,
  ) {}

  async run(statement: Compiled, wanted: Wanted): Promise<Outcome> {
    return await this.thread.ask({ act: wanted, ...statement });
  }

  async commit(): Promise<void> {
    await this.thread.ask({ act: 'commit' });
  }

  async rollback(): Promise<void> {
    await this.thread.ask({ act: 'rollback' }).catch(() => this.thread.kill());
  }
}

/** A select or values list; when in doubt it is not. */
function readsOnly(text: string): boolean {
  if (/^\s*(?:select|values)\b/i.test(text)) return true;
  return /^\s*with\b/i.test(text) && !/\b(?:insert|update|delete|replace)\b/i.test(text);
}
