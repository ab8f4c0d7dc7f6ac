/**
 * PostgreSQL behind the engine port. A connection that failed is thrown away and the pool makes a new one when asked, so
 * that a restarted server needs nobody's help. Whether a commit whose connection broke took place, nobody can know:
 * it is `unavailable`, and not tried again here.
 */
import { sql, type RawNode } from 'kysely';
import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg';
import type { Compiled, Engine, Outcome, Session, SessionOptions, Wanted } from './engine.js';
import { compile } from './compile.js';
import type { BatchOptions, Statement } from './port.js';
import { fromPostgres } from './postgres-errors.js';
import { preparedName } from './prepared-names.js';

const beginText = 'begin isolation level read committed';

export class PostgresEngine implements Engine {
  readonly dialect = 'postgres';

  constructor(
    readonly pool: Pool,
    /** The driver gives up on a silent server after this time; longer than the server's own limit, milliseconds. */
    readonly answerLimitMs: number,
  ) {}

  async run(statement: Compiled): Promise<Outcome> {
    const session = await this.#connect(this.answerLimitMs);
    try {
      return await session.run(statement);
    } finally {
      session.release();
    }
  }

  async batch(statements: readonly Statement[], { independent = false }: BatchOptions = {}): Promise<number[]> {
    if (statements.length === 0) return [];
    if (!independent) return this.#inOrder(statements.map((statement) => compile(this.dialect, statement)));
    const { rows } = await this.run(compile(this.dialect, inOne(statements)));
    const [counts = {}] = rows as Record<string, number>[];
    return statements.map((_, index) => counts[`n${index}`] ?? 0);
  }

  async #inOrder(statements: readonly Compiled[]): Promise<number[]> {
    const session = await this.#connect(this.answerLimitMs);
    try {
      return await session.batch(statements);
    } finally {
      session.release();
    }
  }

  async begin(options: SessionOptions = {}): Promise<Session> {
    const session = await this.#connect(options.patient ? undefined : this.answerLimitMs);
    try {
      if (options.patient) {
        await session.control(beginText);
        await session.control('set local statement_timeout = 0');
      } else session.open(beginText);
      return session;
    } catch (thrown) {
      session.release();
      throw thrown;
    }
  }

  async close(): Promise<void> {
    if (!this.pool.ending) await this.pool.end();
  }

  async #connect(answerLimitMs: number | undefined): Promise<PostgresSession> {
    try {
      return new PostgresSession(await this.pool.connect(), answerLimitMs);
    } catch (thrown) {
      throw fromPostgres(thrown);
    }
  }
}

class PostgresSession implements Session {
  #broken = false;
  #opening: Promise<void> | undefined;

  constructor(
    readonly client: PoolClient,
    readonly answerLimitMs: number | undefined,
  ) {}

  /** Begins without waiting for the answer: the first statement travels with it, and fails when it failed. */
  open(text: string): void {
    this.#opening = this.control(text);
    this.#opening.catch(() => undefined);
  }

  async run(statement: Compiled, _wanted?: Wanted): Promise<Outcome> {
    const opening = this.#opening;
    this.#opening = undefined;
    const [outcome] = await Promise.all([this.#send(statement), opening]);
    return outcome;
  }

  /** Everything is sent at once: after a statement that fails the server refuses the others, and its commit rolls back. */
  async batch(statements: readonly Compiled[]): Promise<number[]> {
    const began = this.control(beginText);
    const sent = statements.map((statement) => this.#send(statement));
    const settled = await Promise.allSettled([began, ...sent, this.commit()]);
    const failed = settled.find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
    return (await Promise.all(sent)).map(({ changes }) => changes);
  }

  async #send(statement: Compiled): Promise<Outcome> {
    try {
      const name = preparedName(statement.text);
      const result = await this.client.query({
        text: statement.text,
        values: [...statement.parameters],
        ...(name === undefined ? {} : { name }),
        ...(this.answerLimitMs === undefined ? {} : { query_timeout: this.answerLimitMs }),
      } satisfies QueryConfig & { query_timeout?: number });
      return outcomeOf(result);
    } catch (thrown) {
      const error = fromPostgres(thrown);
      // `timeout` too: the server may still be busy with what was given up.
      if (error.code === 'unavailable' || error.code === 'timeout')
        this.#broken ||= error.details['contention'] !== true;
      throw error;
    }
  }

  async control(text: string): Promise<void> {
    await this.#send({ text, parameters: [] });
  }

  async commit(): Promise<void> {
    await this.control('commit');
  }

  async rollback(): Promise<void> {
    if (this.#broken) return;
    await this.control('rollback').catch(() => (this.#broken = true));
  }

  release(): void {
    this.client.release(this.#broken);
  }
}

/** One statement that does them all: nothing to begin or to commit, one answer to wait for. */
function inOne(statements: readonly Statement[]): Statement {
  const parts = statements.map((statement, index) => {
    // Materialised, so that a select which nobody looks into is computed all the same.
    const returning = isSelect(statement) ? sql`` : sql` returning 1`;
    return sql`${sql.raw(`s${index}`)} as materialized (${statement}${returning})`;
  });
  const counts = statements.map((_, index) => sql.raw(`(select count(*) from s${index}) as n${index}`));
  return sql`with ${sql.join(parts)} select ${sql.join(counts)}`;
}

const isSelect = (statement: Statement): boolean =>
  /^\s*select\b/i.test((statement.toOperationNode() as RawNode).sqlFragments[0] ?? '');

const changing = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

/** Several statements in one text give a list of results; the last one counts. A select changes nothing. */
function outcomeOf(result: QueryResult | QueryResult[]): Outcome {
  const last = Array.isArray(result) ? result.at(-1) : result;
  return {
    rows: (last?.rows ?? []) as unknown[],
    changes: changing.has(last?.command ?? '') ? (last?.rowCount ?? 0) : 0,
  };
}
