/** Stores a new run with its tasks and first history entry, all or nothing; knows earlier submits by their key. */
import { setImmediate } from 'node:timers/promises';
import { sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { NewRun, Submission } from '@cogmesh/scheduling-core';
import { adoptTasks } from './sql-adoption.js';
import { putCommandUnless, type NewCommand } from '../replicas/sql-commands.js';
import { insertHistory, insertRuns, insertTasks } from './engine-statements.js';

/** Tasks written down without giving anybody else a turn. */
const stepRows = 1_000;

/** Which epoch this scheduler has of the run's shard, and what the shard's owner is asked when that is not the newest. */
export interface SubmissionOwner {
  /** Undefined when another scheduler owns the shard. */
  readonly epoch: number | undefined;
  readonly command: NewCommand;
}

export interface SubmissionExtras {
  /** Without one nobody is told of the run. */
  readonly owner?: SubmissionOwner | undefined;
  /** Stores something else in the same transaction first, or throws to store nothing. */
  readonly before?: ((tx: SqlRunner, runId: string) => Promise<void>) | undefined;
}

export interface StoredSubmission {
  readonly runId: string;
  /** The owner of its shard was asked to take it on. */
  readonly isElsewhere: boolean;
  /** An earlier submit with the same key has made it. */
  readonly replayed: boolean;
  /** All there is of the new run; undefined when the store has more (adopted tasks, an earlier run): it has to be loaded. */
  readonly born: NewRun | undefined;
}

export async function storeSubmission(
  db: Database,
  born: NewRun,
  extras: SubmissionExtras = {},
): Promise<StoredSubmission> {
  const { submission, run } = born;
  let isElsewhere: boolean;
  try {
    if (extras.before || submission.origin || born.tasks.length > stepRows) {
      isElsewhere = await db.transaction((tx) => storeInSteps(tx, born, extras));
    } else {
      const changed = await db.batch([...statementsOf(db, born, extras.owner)]);
      isElsewhere = extras.owner !== undefined && changed.at(-1) === 1;
    }
  } catch (thrown) {
    const earlier = toCogmeshError(thrown).code === 'already_exists' && (await earlierSubmission(db, submission));
    if (earlier) return earlier;
    throw thrown;
  }
  const hasAdopted = (submission.origin?.adopted.size ?? 0) > 0;
  return { runId: run.id, replayed: false, isElsewhere, born: hasAdopted ? undefined : born };
}

/**
 * One by one, so that a large document is not written down in one go. The last one asks the owner of the shard, unless that is
 * this scheduler and stays so until all of it is stored.
 */
function* statementsOf(
  { dialect }: Pick<SqlRunner, 'dialect'>,
  born: NewRun,
  owner?: SubmissionOwner,
): Generator<Statement> {
  const first = { runId: born.run.id, sequence: 1, type: 'run.state', runState: 'PENDING' } as const;
  const { shard } = born.run;
  if (owner?.epoch !== undefined) yield keepShard(dialect, shard);
  yield* insertRuns(dialect, [born]);
  for (let at = 0; at < born.tasks.length; at += stepRows) {
    yield* insertTasks(dialect, born.tasks.slice(at, at + stepRows));
  }
  yield* insertHistory(dialect, [first], born.run.createdAt);
  if (owner) yield putCommandUnless(owner.command, holdsEpoch(shard, owner.epoch));
}

/** Its owner cannot change until the transaction ends. */
function keepShard(dialect: SqlRunner['dialect'], shard: number): Statement {
  const lock = dialect === 'postgres' ? sql`for share` : sql``;
  return sql`select s.shard from scheduler_shards s where s.shard = ${shard} ${lock}`;
}

const holdsEpoch = (shard: number, epoch = -1): Statement =>
  sql`select s.shard from scheduler_shards s where s.shard = ${shard} and s.epoch = ${epoch}`;

async function storeInSteps(tx: SqlRunner, born: NewRun, { before, owner }: SubmissionExtras): Promise<boolean> {
  const { run, submission } = born;
  await before?.(tx, run.id);
  const sent: Promise<number>[] = [];
  for (const statement of statementsOf(tx, born, owner)) {
    const executed = tx.execute(statement);
    // Awaited together; the database works on it while the next one is written down, and others have their turn.
    executed.catch(() => undefined);
    sent.push(executed);
    await setImmediate();
  }
  const changed = await Promise.all(sent);
  if (submission.origin) await adoptTasks(tx, run, submission.origin);
  return owner !== undefined && changed.at(-1) === 1;
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
  return { runId: earlier.id, replayed: true, isElsewhere: false, born: undefined };
}

/** Unfinished tasks of the organisation, whoever decides for them; a flush behind. */
export async function openTasks(db: Pick<SqlRunner, 'query'>, organisation: string): Promise<number> {
  const [row] = await db.query(sql<{ open: number }>`select coalesce(sum(r.open_tasks), 0) as open from runs r
    where r.organisation = ${organisation} and r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);
  return row?.open ?? 0;
}
