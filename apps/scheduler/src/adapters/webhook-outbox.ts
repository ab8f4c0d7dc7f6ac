/** Deliveries are born in the transaction that moves the run: no crash loses one, and none tells of what never happened. */
import { bulk, sql, type SqlRunner } from '@cogmesh/database';
import { isTerminalRun, type RunState } from '@cogmesh/scheduling-core';
import { traceIdOf } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import type { RunRow } from '../model/rows.js';
import type { WebhookRow } from '../model/webhook.js';

export interface RunMove {
  readonly run: RunRow;
  /** The state it came to. */
  readonly state: RunState;
}

/** Answers how many deliveries there are to send. */
export async function recordDeliveries(tx: SqlRunner, moves: readonly RunMove[], now: number): Promise<number> {
  // A nested run is a step of another one, not something that was asked for.
  const told = moves.filter(({ run }) => run.parentRunId === null);
  if (told.length === 0) return 0;
  const webhooks = await webhooksOf(tx, new Set(told.map(({ run }) => run.organisation)));
  if (webhooks.length === 0) return 0;
  const rows = told.flatMap((move) =>
    webhooks
      .filter((webhook) => wants(webhook, move))
      .map(({ id }) => ({
        id: `delivery_${ulid()}`,
        webhook_id: id,
        organisation: move.run.organisation,
        run_id: move.run.id,
        run_state: move.state,
        body: bodyOf(move, now),
      })),
  );
  if (rows.length === 0) return 0;
  const batch = bulk(tx.dialect, rows, {
    id: 'text', webhook_id: 'text', organisation: 'text', run_id: 'text', run_state: 'text', body: 'text',
  }); // prettier-ignore
  return tx.execute(sql`insert into webhook_deliveries (id, webhook_id, organisation, run_id, run_state, body, attempt,
      status, error, delivered, due_at, created_at)
    select r.id, r.webhook_id, r.organisation, r.run_id, r.run_state, r.body, 0, 0, '', 0, ${now}, ${now}
    from ${batch} as r where true on conflict (webhook_id, run_id, run_state) do nothing`);
}

type Filter = Pick<WebhookRow, 'id' | 'organisation' | 'states' | 'labels'>;

function webhooksOf(tx: SqlRunner, organisations: ReadonlySet<string>): Promise<Filter[]> {
  const wanted = bulk(
    tx.dialect,
    [...organisations].map((organisation) => ({ organisation })),
    { organisation: 'text' },
  );
  // Share-locked where the dialect has locks, so that none is deleted before its deliveries are stored.
  const lock = tx.dialect === 'postgres' ? sql`for key share` : sql``;
  return tx.query(sql<Filter>`select w.id, w.organisation, w.states, w.labels from webhooks w
    where w.organisation in (select organisation from ${wanted} as wanted) and w.paused = 0 ${lock}`);
}

function wants({ organisation, states, labels }: Filter, { run, state }: RunMove): boolean {
  if (organisation !== run.organisation) return false;
  const told = JSON.parse(states) as RunState[];
  if (told.length === 0 ? !isTerminalRun(state) : !told.includes(state)) return false;
  const wanted = Object.entries(JSON.parse(labels) as Record<string, string>);
  const carried = JSON.parse(run.labels) as Record<string, string>;
  return wanted.every(([name, value]) => Object.hasOwn(carried, name) && carried[name] === value);
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** The run without inputs and outputs. */
function bodyOf({ run, state }: RunMove, now: number): string {
  return JSON.stringify({
    type: `run.${state.toLowerCase()}`,
    timestamp: timeOf(now),
    data: {
      id: run.id,
      name: run.name,
      organisation: run.organisation,
      state,
      labels: JSON.parse(run.labels) as unknown,
      createdAt: timeOf(run.createdAt),
      startedAt: timeOf(run.startedAt),
      finishedAt: timeOf(run.finishedAt),
      error: run.error === null ? null : (JSON.parse(run.error) as unknown),
      submittedBy: run.submittedBy,
      scheduleId: run.scheduleId,
      traceId: traceIdOf(run.traceparent) ?? null,
    },
  });
}
