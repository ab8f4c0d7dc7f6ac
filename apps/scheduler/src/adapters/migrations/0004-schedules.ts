/** Schedules with their firings, labels of runs in a table of their own so that runs are found by them, webhooks with their deliveries. */
import { byDialect, collateC, sql, type Migration, type SqlRunner } from '@cogmesh/database';

async function createSchedules(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table schedules (
    id text ${collateC} primary key,
    organisation text ${collateC} not null,
    name text ${collateC} not null,
    cron text not null,
    time_zone text not null,
    document text not null,
    misfire text ${collateC} not null,
    max_misfires integer not null,
    overlap text ${collateC} not null,
    paused integer not null,
    next_at bigint,
    waiting_at bigint,
    due_at bigint,
    last_at bigint,
    last_run_id text ${collateC},
    last_error text,
    created_by text not null,
    created_at bigint not null,
    revision bigint not null,
    unique (organisation, name)
  )`);
  await db.execute(sql`create index schedules_due on schedules (due_at) where due_at is not null`);
  await db.execute(sql`create index schedules_of_organisation on schedules (organisation, id)`);
  await db.execute(sql`create table schedule_firings (
    schedule_id text ${collateC} not null references schedules (id),
    fire_time bigint not null,
    run_id text ${collateC} not null,
    primary key (schedule_id, fire_time)
  )`);
  await db.execute(sql`alter table runs add column schedule_id text ${collateC}`);
  await db.execute(sql`create index runs_of_schedule on runs (schedule_id, id) where schedule_id is not null`);
  await db.execute(sql`create index runs_created on runs (organisation, created_at)`);
}

async function createLabels(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table run_labels (
    organisation text ${collateC} not null,
    name text ${collateC} not null,
    value text ${collateC} not null,
    run_id text ${collateC} not null references runs (id),
    primary key (organisation, name, value, run_id)
  )`);
  const each = byDialect<unknown>({
    postgres: sql`jsonb_each_text(cast(r.labels as jsonb)) as l`,
    sqlite: sql`json_each(r.labels) as l`,
  });
  await db.execute(sql`insert into run_labels (organisation, name, value, run_id)
    select r.organisation, l.key, l.value, r.id from runs r, ${each}`);
}

async function createWebhooks(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table webhooks (
    id text ${collateC} primary key,
    organisation text ${collateC} not null,
    url text not null,
    states text not null,
    labels text not null,
    secret text not null,
    paused integer not null,
    created_by text not null,
    created_at bigint not null
  )`);
  await db.execute(sql`create index webhooks_of_organisation on webhooks (organisation, id)`);
  await db.execute(sql`create table webhook_deliveries (
    id text ${collateC} primary key,
    webhook_id text ${collateC} not null references webhooks (id),
    organisation text ${collateC} not null,
    run_id text ${collateC} not null,
    run_state text ${collateC} not null,
    body text not null,
    attempt integer not null,
    status integer not null,
    error text not null,
    delivered integer not null,
    due_at bigint,
    created_at bigint not null,
    unique (webhook_id, run_id, run_state)
  )`);
  await db.execute(sql`create index webhook_deliveries_due on webhook_deliveries (due_at) where due_at is not null`);
  await db.execute(sql`create index webhook_deliveries_of_webhook on webhook_deliveries (webhook_id, id)`);
}

export const schedulesMigration: Migration = {
  name: '0004-schedules',
  up: async (db) => {
    await createSchedules(db);
    await createLabels(db);
    await createWebhooks(db);
  },
};
