/** Stores a new run with its tasks, edges and first history entry in one transaction; knows earlier submits by their key. */
import { bulk, nowMillis, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { dependenciesOf, initialState, waitsInScheduler, type RunPlan, type TaskPlan } from '@cogmesh/scheduling-core';
import { adoptTasks } from './sql-adoption.js';
import { insertHistory, insertTasks } from './engine-tables.js';
import { affinityText } from '../model/need.js';
import { readyEntry, type ReadyEntry, type TaskRow } from '../model/rows.js';

export interface Submission {
  readonly runId: string;
  readonly organisation: string;
  readonly submittedBy: string;
  readonly plan: RunPlan;
  /** Of the submit span: parent of all spans of the run. */
  readonly traceparent: string;
  readonly callerTraceparent: string;
  /** Empty for none. */
  readonly idempotencyKey: string;
  /** SHA-256 of the document's text. */
  readonly requestSha256: string;
  /** Schedule that fires it. */
  readonly scheduleId?: string;
  /** Run that this one retries or repeats, and what of it is taken over as it is. */
  readonly origin?: { readonly runId: string; readonly adopted: ReadonlySet<string> };
  /** Task that waits for this run. */
  readonly parent?: {
    readonly runId: string;
    readonly taskId: string;
    readonly itemIndex: number;
    readonly rootRunId: string;
    /** The run ends by then, milliseconds since the epoch. */
    readonly dueAt: number | null;
  };
}

export interface Submitted {
  readonly runId: string;
  readonly replayed: boolean;
  readonly ready: readonly ReadyEntry[];
  /** Earliest timer of the new run, milliseconds from now. */
  readonly timerInMs: number | undefined;
  /** Tasks that are not finished already. */
  readonly open: number;
}

const edgeBatch = 10_000;

/** `before` stores something else in the same transaction first, or throws to store nothing. */
export function storeSubmission(
  db: Database,
  submission: Submission,
  before?: (tx: SqlRunner, runId: string) => Promise<void>,
): Promise<Submitted> {
  return db.transaction(async (tx) => {
    await before?.(tx, submission.runId);
    return insertSubmission(tx, submission);
  });
}

/** Inside a transaction of the caller. */
export async function insertSubmission(tx: SqlRunner, submission: Submission): Promise<Submitted> {
  const now = await insertRun(tx, submission);
  if (now === undefined) return replay(tx, submission);
  const { runId, plan } = submission;
  await insertLabels(tx, submission);
  const rows = plan.tasks.flatMap((task, position) =>
    isAdopted(submission, task.id) ? [] : [taskRow(submission, task, { position, now })],
  );
  await insertTasks(tx, rows);
  await insertEdges(tx, runId, plan.tasks);
  await insertHistory(tx, [{ runId, sequence: 1, type: 'run.state', runState: 'PENDING' }], now);
  if (submission.origin) {
    const { runId: originRunId, adopted } = submission.origin;
    await adoptTasks(tx, { runId, originRunId, adopted }, now);
  }
  const timers = [plan.deadlineMs, ...plan.tasks.map((task) => task.queueTimeoutMs)].filter((ms) => ms !== undefined);
  return {
    runId,
    replayed: false,
    ready: rows.filter((row) => row.state === 'READY').map(readyEntry),
    timerInMs: timers.length === 0 ? undefined : Math.min(...timers),
    open: rows.length,
  };
}

const isAdopted = ({ origin }: Submission, taskId: string): boolean => origin?.adopted.has(taskId) ?? false;

async function insertLabels(tx: SqlRunner, { runId, organisation, plan }: Submission): Promise<void> {
  const labels = Object.entries(plan.labels).map(([name, value]) => ({ name, value }));
  if (labels.length === 0) return;
  const rows = bulk(tx.dialect, labels, { name: 'text', value: 'text' });
  await tx.execute(sql`insert into run_labels (organisation, name, value, run_id)
    select ${organisation}, r.name, r.value, ${runId} from ${rows} as r`);
}

/** Of a run that comes from no other and waits inside none. */
const alone = {
  origin: { runId: null, adopted: new Set<string>() },
  parent: { runId: null, taskId: null, itemIndex: null, rootRunId: null },
  deadlineMs: null,
};

/** The time of the insert, or undefined when the organisation has used the key before. */
async function insertRun(tx: SqlRunner, submission: Submission): Promise<number | undefined> {
  const { plan } = submission;
  const output = plan.output === undefined ? null : JSON.stringify(plan.output);
  const { origin, parent, deadlineMs } = { ...alone, ...submission, ...plan };
  const open = plan.tasks.length - origin.adopted.size;
  const rows = await tx.query(sql<{ createdAt: number }>`insert into runs
    (id, organisation, name, priority, labels, input, output_template, submitted_by, traceparent, caller_traceparent,
      idempotency_key, request_sha256, created_at, task_count, state, due_at, sequence, open_tasks, total_tasks,
      schedule_id, origin_run_id, parent_run_id, parent_task_id, parent_item_index, root_run_id, deadline_ms)
    values (${submission.runId}, ${submission.organisation}, ${plan.name}, ${plan.priority}, ${JSON.stringify(plan.labels)},
      ${JSON.stringify(plan.input)}, ${output}, ${submission.submittedBy}, ${submission.traceparent},
      ${submission.callerTraceparent}, ${submission.idempotencyKey === '' ? null : submission.idempotencyKey},
      ${submission.requestSha256}, ${nowMillis}, ${plan.tasks.length}, 'PENDING', ${dueAtOf(submission)}, 1, ${open},
      ${plan.tasks.length}, ${submission.scheduleId ?? null}, ${origin.runId}, ${parent.runId},
      ${parent.taskId}, ${parent.itemIndex}, ${parent.rootRunId}, ${deadlineMs})
    on conflict do nothing returning created_at as "createdAt"`);
  return rows[0]?.createdAt;
}

/** The run's own deadline or its parent's, whichever is sooner. */
function dueAtOf({ plan, parent }: Submission): Statement {
  const outer = parent?.dueAt ?? undefined;
  if (plan.deadlineMs === undefined) return sql`${outer ?? null}`;
  const own = sql`${nowMillis} + ${plan.deadlineMs}`;
  return outer === undefined ? own : sql`case when ${own} < ${outer} then ${own} else ${outer} end`;
}

async function replay(tx: SqlRunner, submission: Submission): Promise<Submitted> {
  const earlier = await earlierSubmission(tx, submission);
  if (!earlier) throw new CogmeshError('internal', 'a new run id was taken already');
  return earlier;
}

/** What a submit with the same key made; throws `idempotency_conflict` when that was another document. */
export async function earlierSubmission(
  db: Pick<SqlRunner, 'query'>,
  { organisation, idempotencyKey, requestSha256 }: Submission,
): Promise<Submitted | undefined> {
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
  return { runId: earlier.id, replayed: true, ready: [], timerInMs: undefined, open: 0 };
}

async function insertEdges(tx: SqlRunner, runId: string, tasks: readonly TaskPlan[]): Promise<void> {
  const edges = dependenciesOf(tasks).map(({ parent, child }) => ({ parent_id: parent, child_id: child }));
  for (let at = 0; at < edges.length; at += edgeBatch) {
    const batch = bulk(tx.dialect, edges.slice(at, at + edgeBatch), { parent_id: 'text', child_id: 'text' });
    await tx.execute(
      sql`insert into edges (run_id, parent_id, child_id) select ${runId}, parent_id, child_id from ${batch} as r`,
    );
  }
}

/** A fresh row: nothing claimed, nothing counted. */
export const freshTask = {
  capability: null,
  attempt: 0,
  attemptId: null,
  agentId: null,
  queue: null,
  leaseUntil: null,
  timeoutAt: null,
  claimedAt: null,
  startedAt: null,
  finishedAt: null,
  output: null,
  outputBytes: 0,
  error: null,
  itemsTotal: 0,
  itemsSucceeded: 0,
  itemsFailed: 0,
  itemsReleased: 0,
  traceparent: null,
  heldMs: null,
  leaseMs: null,
  losses: 0,
  approvals: null,
} as const satisfies Partial<TaskRow>;

function taskRow(
  submission: Submission,
  task: TaskPlan,
  { position, now }: { readonly position: number; readonly now: number },
): TaskRow {
  const { runId, organisation } = submission;
  const { state, pending } = initialState({ depends: task.depends.filter((id) => !isAdopted(submission, id)) });
  const isReady = state === 'READY';
  const isControl = task.when !== undefined || task.forEach !== undefined || waitsInScheduler(task.uses);
  return {
    ...freshTask,
    runId,
    taskId: task.id,
    itemIndex: -1,
    position,
    organisation,
    uses: task.uses,
    priority: task.priority,
    ownPriority: task.ownPriority ? 1 : 0,
    concurrencyGroup: task.concurrencyGroup ?? null,
    affinity: affinityText(task.affinity),
    plan: JSON.stringify(task),
    item: null,
    control: isControl ? 1 : 0,
    state,
    pending,
    readyAt: isReady ? now : null,
    dueAt: isReady && task.queueTimeoutMs !== undefined ? now + task.queueTimeoutMs : null,
  };
}
