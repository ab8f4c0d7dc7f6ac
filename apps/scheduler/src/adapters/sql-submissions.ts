/** Stores a new run with its tasks and first history entry, all or nothing; knows earlier submits by their key. */
import { sql, type Database, type SqlRunner } from '@cogmesh/database';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { NewRun, Submission } from '@cogmesh/scheduling-core';
import { adoptTasks } from './sql-adoption.js';
import { insertHistory, insertRuns, insertTasks } from './engine-statements.js';

export interface StoredSubmission {
  readonly runId: string;
  /** An earlier submit with the same key has made it. */
  readonly replayed: boolean;
  /** All there is of the new run; undefined when the store has more (adopted tasks, an earlier run): it has to be loaded. */
  readonly born: NewRun | undefined;
}

/** `before` stores something else in the same transaction first, or throws to store nothing. */
export async function storeSubmission(
  db: Database,
  born: NewRun,
  before?: (tx: SqlRunner, runId: string) => Promise<void>,
): Promise<StoredSubmission> {
  const { submission, run } = born;
  try {
    if (before || submission.origin) await db.transaction((tx) => storeInSteps(tx, born, before));
    else await db.batch(statementsOf(db, born));
  } catch (thrown) {
    const earlier = toCogmeshError(thrown).code === 'already_exists' && (await earlierSubmission(db, submission));
    if (earlier) return earlier;
    throw thrown;
  }
  const hasAdopted = (submission.origin?.adopted.size ?? 0) > 0;
  return { runId: run.id, replayed: false, born: hasAdopted ? undefined : born };
}

function statementsOf({ dialect }: Pick<SqlRunner, 'dialect'>, born: NewRun) {
  const first = { runId: born.run.id, sequence: 1, type: 'run.state', runState: 'PENDING' } as const;
  return [
    ...insertRuns(dialect, [born]),
    ...insertTasks(dialect, born.tasks),
    ...insertHistory(dialect, [first], born.run.createdAt),
  ];
}

async function storeInSteps(
  tx: SqlRunner,
  born: NewRun,
  before: ((tx: SqlRunner, runId: string) => Promise<void>) | undefined,
): Promise<void> {
  const { run, submission } = born;
  await before?.(tx, run.id);
  await Promise.all(statementsOf(tx, born).map((statement) => tx.execute(statement)));
  if (submission.origin) await adoptTasks(tx, run, submission.origin);
}

/** What a submit with the same key made; throws `idempotency_conflict` when that was another document. */
export async function earlierSubmission(
  db: Pick<SqlRunner, 'query'>,
  {
    organisation,
    idempotencyKey,
    requestSha256,
  }: Pick<Submission, 'organisation' | 'idempotencyKey' | 'requestSha256'>,
): Promise<StoredSubmission | undefined> {
  if (idempotencyKey === '') return undefined;
  const [earlier] = await db.query(sql<{ id: string; sha: string }>`select r.id, r.request_sha256 as sha from runs r
    where r.organisation = ${organisation} and r.idempotency_key = ${idempotencyKey}`);
  if (!earlier) return undefined;
  if (earlier.sha !== requestSha256) {
    throw new CogmeshError('idempotency_conflict', 'this idempotency key was used with another document', {
      idempotencyKey,
      runId: earlier.id,
    });
  }
  return { runId: earlier.id, replayed: true, born: undefined };
}
