/** What an engine that knows nothing starts from: reads over the partial indexes, without locks, none of which reads a run whole. */
import { oneOf, sql, type Database } from '@cogmesh/database';
import type { HeldAttempt, LaneName, Snapshot, TaskRef } from '@cogmesh/scheduling-core';
import { waitingRuns } from '../replicas/sql-commands.js';

type Shards = readonly number[];

const held = sql.raw(`('CLAIMED', 'PUBLISHED', 'RUNNING')`);
const unfinished = sql.raw(`('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);

/** `isBrief`: nothing is counted. */
export async function readSnapshot(db: Database, shards: Shards, isBrief: boolean): Promise<Snapshot> {
  const [attempts, lanes, open, aggregate, finalise, answered, orphaned] = await Promise.all([
    heldAttempts(db, shards),
    isBrief ? [] : readyLanes(db, shards),
    isBrief ? [] : openTasks(db, shards),
    joinable(db, shards),
    complete(db, shards),
    endedNested(db, shards),
    orphans(db, shards),
  ]);
  return { held: attempts, lanes, open, aggregate, finalise, answered, orphaned };
}

function heldAttempts(db: Database, shards: Shards): Promise<HeldAttempt[]> {
  return db.query(sql<HeldAttempt>`select t.attempt_id as "attemptId", t.run_id as "runId", t.state,
    t.agent_id as "agentId", t.queue, t.capability, t.organisation, t.uses,
    t.concurrency_group as "concurrencyGroup" from tasks t
    where t.state in ${held} and t.shard ${oneOf(shards, 'bigint')} and t.attempt_id is not null`);
}

type LaneRow = Omit<LaneName, 'control'> & { readonly control: number; readonly ready: number };

async function readyLanes(db: Database, shards: Shards): Promise<Snapshot['lanes']> {
  const rows = await db.query(sql<LaneRow>`select t.organisation, t.uses, t.concurrency_group as "concurrencyGroup",
    t.affinity, t.control, count(*) as ready from tasks t
    where t.state = 'READY' and t.shard ${oneOf(shards, 'bigint')}
    and t.run_id not in (select r.id from runs r where r.state = 'PAUSED')
    group by t.organisation, t.uses, t.concurrency_group, t.affinity, t.control`);
  return rows.map((lane) => ({ ...lane, control: lane.control === 1 }));
}

/** A run that another scheduler has stored, and that waits to be taken on, is counted when it is. */
function openTasks(db: Database, shards: Shards): Promise<Snapshot['open'][number][]> {
  return db.query(sql<Snapshot['open'][number]>`select r.organisation, sum(r.open_tasks) as open from runs r
    where r.state in ${unfinished} and r.shard ${oneOf(shards, 'bigint')}
    and r.id not in (${waitingRuns}) group by r.organisation`);
}

function joinable(db: Database, shards: Shards): Promise<TaskRef[]> {
  return db.query(sql<TaskRef>`select t.run_id as "runId", t.task_id as "taskId", t.item_index as "itemIndex"
    from tasks t where t.state in ${held} and t.state = 'RUNNING' and t.shard ${oneOf(shards, 'bigint')}
    and t.item_index = -1 and t.attempt_id is null and t.items_succeeded + t.items_failed = t.items_total`);
}

async function complete(db: Database, shards: Shards): Promise<string[]> {
  return idsOf(
    await db.query(sql<{ id: string }>`select r.id from runs r
      where r.state in ${unfinished} and r.open_tasks = 0 and r.shard ${oneOf(shards, 'bigint')}`),
  );
}

async function endedNested(db: Database, shards: Shards): Promise<string[]> {
  return idsOf(
    await db.query(sql<{ id: string }>`select r.id from tasks t join runs r on r.id = t.attempt_id
      where t.state = 'WAITING' and t.uses = 'run' and t.shard ${oneOf(shards, 'bigint')}
      and r.state in ('SUCCEEDED', 'FAILED', 'CANCELLED')`),
  );
}

async function orphans(db: Database, shards: Shards): Promise<string[]> {
  return idsOf(
    await db.query(sql<{ id: string }>`select r.id from runs r
      where r.state in ${unfinished} and r.shard ${oneOf(shards, 'bigint')} and r.parent_run_id is not null
      and not exists (select 1 from tasks t where t.run_id = r.parent_run_id and t.task_id = r.parent_task_id
        and t.item_index = r.parent_item_index and t.state = 'WAITING' and t.attempt_id = r.id)`),
  );
}

const idsOf = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id);
