import { bulk, nowMillis, sql, type Database } from '@cogmesh/database';

/** Attempts renewed by one statement. */
const batchSize = 5_000;

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
    await db.execute(sql`update tasks set lease_until = ${nowMillis} + ${leaseMs},
      due_at = case when timeout_at is null or timeout_at > ${nowMillis} + ${leaseMs} then ${nowMillis} + ${leaseMs} else timeout_at end
      where attempt_id in (select id from ${ids} as held) and state = 'RUNNING'`);
    const wanted = await db.query(sql<{ id: string }>`select t.attempt_id as id from tasks t
      where t.attempt_id in (select id from ${ids} as held) and t.state in ('CLAIMED', 'PUBLISHED', 'RUNNING')`);
    const known = new Set(wanted.map((row) => row.id));
    unknown.push(...batch.filter((id) => !known.has(id)));
  }
  return unknown;
}
