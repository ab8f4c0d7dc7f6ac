/**
 * One transaction over a session, with the same rules in both dialects: a failed statement dooms it (PostgreSQL would
 * refuse what follows, SQLite would not), statements left running are awaited before the commit, and its runner is
 * useless once it is over.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { compile } from './compile.js';
import { isContention } from './contention.js';
import type { Dialect, Outcome, Session, Wanted } from './engine.js';
import type { SqlRunner, Statement } from './port.js';

class Transaction implements SqlRunner {
  failure: CogmeshError | undefined;
  over = false;
  readonly #running = new Set<Promise<Outcome>>();

  constructor(
    readonly dialect: Dialect,
    readonly session: Session,
  ) {}

  async query<Row>(statement: Statement<Row>): Promise<Row[]> {
    return (await this.#run(statement, 'rows')).rows as Row[];
  }

  async execute(statement: Statement): Promise<number> {
    return (await this.#run(statement, 'changes')).changes;
  }

  /** Waits for statements nobody awaited; throws the first failure, caught or not. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    if (this.failure) throw this.failure;
  }

  async #run(statement: Statement, wanted: Wanted): Promise<Outcome> {
    if (this.over) throw new CogmeshError('failed_precondition', 'the transaction of this runner is over');
    if (this.failure) throw this.failure;
    const running = this.session.run(compile(this.dialect, statement), wanted);
    this.#running.add(running);
    try {
      return await running;
    } catch (thrown) {
      throw (this.failure ??= toCogmeshError(thrown));
    } finally {
      this.#running.delete(running);
    }
  }
}

/** Runs `work`, commits, or rolls back and rethrows. Contention wins over what `work` made of it, so it can be retried. */
export async function inTransaction<T>(
  dialect: Dialect,
  session: Session,
  work: (tx: SqlRunner) => Promise<T>,
): Promise<T> {
  const transaction = new Transaction(dialect, session);
  try {
    const result = await work(transaction);
    await transaction.settle();
    transaction.over = true;
    await session.commit();
    return result;
  } catch (thrown) {
    transaction.over = true;
    await session.rollback();
    throw isContention(transaction.failure) ? transaction.failure : thrown;
  } finally {
    session.release();
  }
}
