/**
 * The thread that owns a SQLite file: one writing connection and one that only reads, so that reads see committed data
 * while a transaction is open. Answers requests in the order of arrival. Runs as it stands from source (types stripped by
 * Node) and from dist, so it imports nothing but Node's own modules. Errors leave as plain data; `sqlite-errors.ts` reads them.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

export interface SqliteFile {
  /** A path, or `:memory:` (then reads wait for transactions: there is only one connection). */
  readonly path: string;
  /** How long to wait for another process that holds the file, milliseconds. */
  readonly busyTimeoutMs: number;
}

export type SqliteRequest =
  | {
      readonly id: number;
      readonly act: 'rows' | 'read' | 'changes';
      readonly text: string;
      readonly parameters: readonly unknown[];
    }
  | {
      readonly id: number;
      readonly act: 'batch';
      readonly statements: readonly { readonly text: string; readonly parameters: readonly unknown[] }[];
    }
  | { readonly id: number; readonly act: 'begin' | 'commit' | 'rollback' | 'close' };

export interface SqliteFailure {
  readonly message: string;
  readonly code?: string;
  /** SQLite's extended result code. */
  readonly errcode?: number;
}

/** The answer with id 0 says whether the file could be opened. */
export type SqliteAnswer =
  | {
      readonly id: number;
      readonly columns: readonly string[];
      /** Cells in the order of the columns: half the work of objects on their way between threads. */
      readonly rows: readonly (readonly unknown[])[];
      readonly changes: number;
      /** Of each statement of a batch. */
      readonly each?: readonly number[];
    }
  | { readonly id: number; readonly failure: SqliteFailure };

/** Compiled statements kept per connection; the oldest unused one goes first. */
const maxStatements = 500;
const nothing = { columns: [], rows: [], changes: 0 };

class Connection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(file: SqliteFile, readOnly: boolean) {
    this.db = new DatabaseSync(file.path, { readOnly, timeout: file.busyTimeoutMs, enableForeignKeyConstraints: true });
  }

  rows(text: string, parameters: readonly unknown[]) {
    const statement = this.#statement(text);
    statement.setReturnArrays(true);
    const rows = statement.all(...(parameters as SQLInputValue[])) as unknown as unknown[][];
    return { columns: statement.columns().map(({ name }) => name), rows, changes: 0 };
  }

  changes(text: string, parameters: readonly unknown[]) {
    if (parameters.length === 0 && isSeveral(text)) {
      this.db.exec(text);
      return nothing;
    }
    const { changes } = this.#statement(text).run(...(parameters as SQLInputValue[]));
    // After a statement that changes no rows SQLite reports the count of the one before.
    return { ...nothing, changes: /^\s*(?:insert|update|delete|replace|with)\b/i.test(text) ? Number(changes) : 0 };
  }

  #statement(text: string): StatementSync {
    const kept = this.#statements.get(text);
    if (!kept && isSeveral(text))
      throw new Error('several statements in one text: only execute() without parameters takes them');
    const statement = kept ?? this.db.prepare(text);
    this.#statements.delete(text);
    this.#statements.set(text, statement);
    const [oldest] = this.#statements.keys();
    if (this.#statements.size > maxStatements && oldest !== undefined) this.#statements.delete(oldest);
    return statement;
  }
}

/** Whether anything follows a semicolon outside of literals and comments; `prepare` would silently drop it. */
function isSeveral(text: string): boolean {
  if (!text.includes(';')) return false;
  return /;\s*[^\s;]/.test(text.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[^]*?\*\//g, ' '));
}

function failureOf(thrown: unknown): SqliteFailure {
  const { message, code, errcode } = thrown as { message?: string; code?: string; errcode?: number };
  return {
    message: message ?? String(thrown),
    ...(code ? { code } : {}),
    ...(errcode === undefined ? {} : { errcode }),
  };
}

function open(file: SqliteFile): { writer: Connection; reader: Connection } {
  const onDisk = file.path !== ':memory:';
  if (onDisk) mkdirSync(dirname(file.path), { recursive: true });
  const writer = new Connection(file, false);
  writer.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  return { writer, reader: onDisk ? new Connection(file, true) : writer };
}

/** One transaction; nothing of it stays when a statement fails. */
function batch(writer: Connection, statements: Extract<SqliteRequest, { act: 'batch' }>['statements']) {
  writer.db.exec('BEGIN IMMEDIATE');
  try {
    const each = statements.map(({ text, parameters }) => writer.changes(text, parameters).changes);
    writer.db.exec('COMMIT');
    return { ...nothing, each };
  } catch (thrown) {
    rollback(writer);
    throw thrown;
  }
}

/** SQLite has rolled back by itself after some errors (disk full). */
function rollback({ db }: Connection): void {
  if (db.isTransaction) db.exec('ROLLBACK');
}

function serve({ writer, reader }: ReturnType<typeof open>, request: SqliteRequest) {
  switch (request.act) {
    case 'read':
      return reader.rows(request.text, request.parameters);
    case 'rows':
      return writer.rows(request.text, request.parameters);
    case 'changes':
      return writer.changes(request.text, request.parameters);
    case 'batch':
      return batch(writer, request.statements);
    case 'begin':
      writer.db.exec('BEGIN IMMEDIATE');
      return nothing;
    case 'commit':
      writer.db.exec('COMMIT');
      return nothing;
    case 'rollback':
      rollback(writer);
      return nothing;
    case 'close':
      if (reader !== writer) reader.db.close();
      writer.db.close();
      return nothing;
  }
}

function listen(port: NonNullable<typeof parentPort>, file: SqliteFile): void {
  const answer = (message: SqliteAnswer) => port.postMessage(message);
  try {
    const connections = open(file);
    answer({ id: 0, ...nothing });
    port.on('message', (request: SqliteRequest) => {
      try {
        answer({ id: request.id, ...serve(connections, request) });
      } catch (thrown) {
        answer({ id: request.id, failure: failureOf(thrown) });
      }
      if (request.act === 'close') port.close();
    });
  } catch (thrown) {
    answer({ id: 0, failure: failureOf(thrown) });
  }
}

if (parentPort) listen(parentPort, workerData as SqliteFile);
