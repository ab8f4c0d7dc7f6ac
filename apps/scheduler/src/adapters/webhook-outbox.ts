/**
 * Deliveries are born in the transaction that moves the run: no crash loses one, and none tells of what never happened. Who
 * is to be told is the statement's own question, so that a flush asks nothing beforehand.
 */
import { bulk, byDialect, oneOf, sql, type SqlRunner, type Statement } from '@cogmesh/database';
import { isTerminalRun, type RunMove } from '@cogmesh/scheduling-core';
import { traceIdOf } from '@cogmesh/telemetry';
import { ulid } from 'ulid';

/** The state is among those the webhook names. */
const namesState = byDialect({
  postgres: sql`cast(w.states as jsonb) @> to_jsonb(m.run_state)`,
  sqlite: sql`exists (select 1 from json_each(w.states) as s where s.value = m.run_state)`,
});

/** The run carries every label the webhook asks for. */
const carriesLabels = byDialect({
  postgres: sql`cast(m.labels as jsonb) @> cast(w.labels as jsonb)`,
  sqlite: sql`not exists (select 1 from json_each(w.labels) as l where not exists
    (select 1 from json_each(m.labels) as c where c.key = l.key and c.value = l.value))`,
});

/** Share-locked where the dialect has locks, so that none is deleted before its deliveries are stored. */
const lock = byDialect({ postgres: sql`for key share`, sqlite: sql`` });

/** Undefined when nobody can want to hear of these moves. Its count of rows is that of the deliveries to send. */
export function recordDeliveries(
  dialect: SqlRunner['dialect'],
  moves: readonly RunMove[],
  now: number,
): Statement | undefined {
  // A nested run is a step of another one, not something that was asked for.
  const told = moves.filter(({ run }) => run.parentRunId === null);
  if (told.length === 0) return undefined;
  const rows = told.map((move) => ({
    id: `delivery_${ulid()}`,
    organisation: move.run.organisation,
    run_id: move.run.id,
    run_state: move.state,
    is_end: isTerminalRun(move.state),
    labels: move.run.labels,
    body: bodyOf(move, now),
  }));
  const moved = bulk(dialect, rows, {
    id: 'text', organisation: 'text', run_id: 'text', run_state: 'text', is_end: 'integer', labels: 'text', body: 'text',
  }); // prettier-ignore
  const organisations = [...new Set(rows.map(({ organisation }) => organisation))];
  // Several webhooks may tell of one move.
  return sql`insert into webhook_deliveries (id, webhook_id, organisation, run_id, run_state, body, attempt, status, error,
      delivered, due_at, created_at)
    select case when n = 1 then id else id || '-' || n end, webhook_id, organisation, run_id, run_state, body, 0, 0, '',
      0, cast(${now} as bigint), cast(${now} as bigint)
    from (select m.*, w.id as webhook_id, row_number() over (partition by m.id order by w.id) as n
      from (select w.id, w.organisation, w.states, w.labels from webhooks w
          where w.organisation ${oneOf(organisations, 'text')} and w.paused = 0 ${lock}) as w
      join ${moved} as m on m.organisation = w.organisation
      where (case when w.states = '[]' then m.is_end = 1 else ${namesState} end) and ${carriesLabels}) as told
    where true on conflict (webhook_id, run_id, run_state) do nothing`;
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
