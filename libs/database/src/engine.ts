/**
 * What a dialect's adapter brings: connections that run compiled statements. Everything that both dialects do alike
 * (transactions, retries, migrations, nesting) is written once on top of it in `relational-database.ts`.
 */
import type { BatchOptions, SqlRunner, Statement } from './port.js';

export type Dialect = SqlRunner['dialect'];

/** A statement in one dialect's text. Parameters are null, text, bytes, and numbers or (SQLite's integers) bigints. */
export interface Compiled {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

export type Wanted = 'rows' | 'changes';

export interface Outcome {
  readonly rows: readonly unknown[];
  readonly changes: number;
}

/** One connection with an open transaction. Errors are CogmeshErrors. */
export interface Session {
  run(statement: Compiled, wanted: Wanted): Promise<Outcome>;
  commit(): Promise<void>;
  /** Never rejects: a connection that cannot roll back is thrown away. */
  rollback(): Promise<void>;
  /** Gives the connection back; called once, after commit or rollback. */
  release(): void;
}

export interface SessionOptions {
  /** Without statement time limit, for migrations. */
  readonly patient?: boolean;
}

export interface Engine {
  readonly dialect: Dialect;
  /** Runs a statement in a transaction of its own. */
  run(statement: Compiled, wanted: Wanted): Promise<Outcome>;
  /** As `Database.batch`, once. */
  batch(statements: readonly Statement[], options?: BatchOptions): Promise<number[]>;
  begin(options?: SessionOptions): Promise<Session>;
  close(): Promise<void>;
}
