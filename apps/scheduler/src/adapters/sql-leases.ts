import { bulk, nowMillis, sql, type Database, type Statement } from '@cogmesh/database';

/** Attempts renewed by one statement. */
const batchSize = 5_000;

/** Assignments that start a lease anew: of the task's own period, or of the usual one. A time-out that is sooner is due first. */
export function restartedLease(leaseMs: number): Statement {
  const until = sql`${nowMillis} + coalesce(lease_ms, ${leaseMs})`;
  return sql`lease_until = ${until},
    due_at = case when timeout_at is null or timeout_at > ${until} then ${until} else timeout_at end`;
}

/**
 * Extends the leases of attempts that agents say they hold, in bulk and by the database's clock, and answers which of
 * them nobody wants any more. An attempt that is handed over but not started is wanted and needs no lease yet.
 */
export async function renewLeases(db: Database, attemptIds: readonly string[], leaseMs: number): Promise<string[]> {
  const unknown: string[] = [];
  const distinct = [...new Set(attemptIds)];
  for (let at = 0; at < distinct.length; at += batchSize) {
    const batch = distinct.slice(at, at + batchSize);
    const ids = bulk(
      db.dialect,
      batch.map((id) => ({ id })),
      { id: 'text' },
    );
    await db.execute(sql`update tasks set ${restartedLease(leaseMs)}
      where attempt_id in (select id from ${ids} as held) and state = 'RUNNING'`);
    const wanted = await db.query(sql<{ id: string }>`select t.attempt_id as id from tasks t
      where t.attempt_id in (select id from ${ids} as held) and t.state in ('CLAIMED', 'PUBLISHED', 'RUNNING')`);
    const known = new Set(wanted.map((row) => row.id));
    unknown.push(...batch.filter((id) => !known.has(id)));
  }
  return unknown;
}
