import type { RawBuilder } from 'kysely';

/**
 * The database port: SQL in the subset that PostgreSQL and SQLite share, written with kysely's `sql` tag.
 * Times are milliseconds since the epoch as 64-bit integers (`number` in rows; beyond 2^53 is refused), ids are text
 * (`COLLATE "C"` on PostgreSQL), JSON is text in SQLite and jsonb in PostgreSQL, booleans are 0/1 integers.
 * In rows JSON is text from both, to be parsed by who needs it; its spacing and key order are the database's.
 * Every method rejects with a CogmeshError: `unavailable` (connection lost, busy), `timeout`, `already_exists` (unique),
 * `failed_precondition` (other constraints; misuse of transactions), `invalid_argument` (a value neither can hold).
 */
export type Statement<Row = unknown> = RawBuilder<Row>;

export interface SqlRunner {
  readonly dialect: 'postgres' | 'sqlite';
  query<Row>(statement: Statement<Row>): Promise<Row[]>;
  /** Rows affected. */
  execute(statement: Statement): Promise<number>;
}

export interface Migration {
  /** Sorts in order: `0001-runs`. Never edited once released. */
  readonly name: string;
  readonly up: (db: SqlRunner) => Promise<void>;
}

export interface BatchOptions {
  /**
   * None needs to see what another does, no row is changed by two of them, and none returns rows that anybody reads: the
   * database may do them as one. References from row to row are checked at the end.
   */
  readonly independent?: boolean;
}

export interface Database extends SqlRunner {
  /**
   * BEGIN IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL. Rolls back when `work` throws. Serialisation failures and
   * deadlocks are retried up to 3 times, so `work` must have no effects outside the transaction. A failed statement
   * dooms the transaction even when `work` catches it. Inside `work` the database itself is refused
   * (`failed_precondition`): use `tx`. Lost connection at commit: `unavailable`, and it may have happened.
   */
  transaction<T>(work: (tx: SqlRunner) => Promise<T>): Promise<T>;
  /**
   * All of them or none, in order, as one message to the database: for statements that need no answers of each other. What must
   * hold can be said with `failUnless`. Answers the rows affected by each; otherwise as `transaction`.
   */
  batch(statements: readonly Statement[], options?: BatchOptions): Promise<number[]>;
  /** Applies what is missing, under a lock, in name order. */
  migrate(migrations: readonly Migration[]): Promise<void>;
  /** The database's own clock, milliseconds since the epoch. */
  now(): Promise<number>;
  /** Rejects with `unavailable` when it cannot answer within 2 s. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
