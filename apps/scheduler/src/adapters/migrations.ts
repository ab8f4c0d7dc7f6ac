/**
 * The scheduler's tables. `shard` and `epoch` are there from the first release, with one owner so far. Partial indexes
 * serve exactly the questions the engine asks: ready, held by an agent, due, unfinished.
 */
import { collateC, sql, type Migration, type SqlRunner } from '@cogmesh/database';
import { flowMigration } from './migrations/0003-flow.js';
import { scopesMigration } from './migrations/0002-scopes.js';
import { schedulesMigration } from './migrations/0004-schedules.js';
import { affinityMigration } from './migrations/0005-affinity.js';
import { poolMigration } from './migrations/0006-pool.js';
import { engineMigration } from './migrations/0006-engine.js';
import { replicasMigration } from './migrations/0007-replicas.js';
import { retentionMigration } from './migrations/0008-retention.js';
import { submittersMigration } from './migrations/0009-submitters.js';

const held = sql.raw(`('CLAIMED', 'PUBLISHED', 'RUNNING')`);
const open = sql.raw(`('BLOCKED', 'READY', 'CLAIMED', 'PUBLISHED', 'RUNNING', 'RETRY_WAIT', 'WAITING')`);
const unfinished = sql.raw(`('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);

async function createRuns(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table runs (
    id text ${collateC} primary key,
    organisation text ${collateC} not null,
    shard integer not null default 0,
    epoch integer not null default 1,
    name text not null,
    priority integer not null,
    labels text not null,
    input text not null,
    output_template text,
    submitted_by text not null,
    traceparent text not null,
    caller_traceparent text,
    idempotency_key text ${collateC},
    request_sha256 text,
    created_at bigint not null,
    task_count integer not null,
    state text ${collateC} not null,
    started_at bigint,
    finished_at bigint,
    due_at bigint,
    error text,
    output text,
    sequence bigint not null,
    open_tasks integer not null,
    total_tasks integer not null
  )`);
  await db.execute(sql`create unique index runs_idempotency on runs (organisation, idempotency_key)
    where idempotency_key is not null`);
  await db.execute(sql`create index runs_of_organisation on runs (organisation, id)`);
  await db.execute(sql`create index runs_due on runs (due_at) where due_at is not null`);
  await db.execute(sql`create index runs_unfinished on runs (id) where state in ${unfinished}`);
}

async function createTasks(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table tasks (
    run_id text ${collateC} not null references runs (id),
    task_id text ${collateC} not null,
    item_index integer not null,
    shard integer not null default 0,
    epoch integer not null default 1,
    position integer not null,
    organisation text ${collateC} not null,
    uses text ${collateC} not null,
    priority integer not null,
    plan text,
    item text,
    control integer not null,
    state text ${collateC} not null,
    pending integer not null,
    capability text ${collateC},
    attempt integer not null,
    attempt_id text ${collateC},
    agent_id text ${collateC},
    queue text ${collateC},
    due_at bigint,
    lease_until bigint,
    timeout_at bigint,
    ready_at bigint,
    claimed_at bigint,
    started_at bigint,
    finished_at bigint,
    output text,
    output_bytes bigint not null,
    error text,
    items_total integer not null,
    items_succeeded integer not null,
    items_failed integer not null,
    items_released integer not null,
    traceparent text,
    primary key (run_id, task_id, item_index)
  )`);
  await db.execute(sql`create index tasks_ready on tasks (run_id) where state = 'READY'`);
  await db.execute(
    sql`create unique index tasks_held on tasks (attempt_id) where state in ${held} and attempt_id is not null`,
  );
  await db.execute(sql`create index tasks_due on tasks (due_at) where due_at is not null`);
  await db.execute(sql`create index tasks_open on tasks (run_id, task_id, item_index) where state in ${open}`);
}

async function createTheRest(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table edges (
    run_id text ${collateC} not null references runs (id),
    parent_id text ${collateC} not null,
    child_id text ${collateC} not null,
    primary key (run_id, parent_id, child_id)
  )`);
  await db.execute(sql`create index edges_to on edges (run_id, child_id)`);
  await db.execute(sql`create table run_events (
    run_id text ${collateC} not null references runs (id),
    sequence bigint not null,
    time bigint not null,
    type text ${collateC} not null,
    run_state text,
    task_id text ${collateC},
    task_state text,
    item_index integer,
    attempt integer,
    agent_id text,
    error text,
    data text,
    primary key (run_id, sequence)
  )`);
  await db.execute(sql`create table dead_letters (
    id text ${collateC} primary key,
    message_id text ${collateC} not null unique,
    queue text ${collateC} not null,
    reason text not null,
    message_type text not null,
    sender text not null,
    headers text not null,
    body_base64 text not null,
    received_at bigint not null
  )`);
}

export const schedulerMigrations: readonly Migration[] = [
  {
    name: '0001-runs',
    up: async (db) => {
      await createRuns(db);
      await createTasks(db);
      await createTheRest(db);
    },
  },
  scopesMigration,
  flowMigration,
  schedulesMigration,
  affinityMigration,
  engineMigration,
  poolMigration,
  replicasMigration,
  retentionMigration,
  submittersMigration,
];
