import { CogmeshError } from '@cogmesh/errors';
import { sql } from 'kysely';
import { compile } from './compile.js';
import { retryContention } from './contention.js';
import { nowMillis } from './dialects.js';
import type { Dialect, Engine, Outcome, SessionOptions, Wanted } from './engine.js';
import { applyMigrations } from './migrations.js';
import { NestingGuard } from './nesting-guard.js';
import type { BatchOptions, Database, Migration, SqlRunner, Statement } from './port.js';
import { inTransaction } from './transaction.js';

/** Longest wait for an answer to `ping`, milliseconds. */
const pingLimitMs = 2_000;

/** The port over an engine: what both dialects do alike. */
export class RelationalDatabase implements Database {
  readonly dialect: Dialect;
  readonly #engine: Engine;
  readonly #nesting = new NestingGuard();

  constructor(engine: Engine) {
    this.dialect = engine.dialect;
    this.#engine = engine;
  }

  async query<Row>(statement: Statement<Row>): Promise<Row[]> {
    return (await this.#run(statement, 'rows')).rows as Row[];
  }

  async execute(statement: Statement): Promise<number> {
    return (await this.#run(statement, 'changes')).changes;
  }

  async transaction<T>(work: (tx: SqlRunner) => Promise<T>): Promise<T> {
    return await this.#transaction(work, {});
  }

  async batch(statements: readonly Statement[], options: BatchOptions = {}): Promise<number[]> {
    this.#nesting.refuseInside();
    return await retryContention(() => this.#engine.batch(statements, options));
  }

  async migrate(migrations: readonly Migration[]): Promise<void> {
    await this.#transaction((tx) => applyMigrations(tx, migrations), { patient: true });
  }

  async now(): Promise<number> {
    const [row] = await this.query(sql<{ now: number }>`select ${nowMillis} as now`);
    if (!row) throw new CogmeshError('internal', 'the database did not tell the time');
    return row.now;
  }

  async ping(): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new CogmeshError('unavailable', `the database did not answer within ${pingLimitMs} ms`)),
      pingLimitMs,
    );
    try {
      await Promise.race([this.#engine.run({ text: 'select 1', parameters: [] }, 'rows'), promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  async #run(statement: Statement, wanted: Wanted): Promise<Outcome> {
    this.#nesting.refuseInside();
    const compiled = compile(this.dialect, statement);
    return await retryContention(() => this.#engine.run(compiled, wanted));
  }

  async #transaction<T>(work: (tx: SqlRunner) => Promise<T>, options: SessionOptions): Promise<T> {
    this.#nesting.refuseInside();
    return await retryContention(async () => {
      const session = await this.#engine.begin(options);
      return await inTransaction(this.dialect, session, (tx) => this.#nesting.within(() => work(tx)));
    });
  }
}
