/** The stored limits, shares and pauses of scopes: read whole at start, one row written with each change. */
import { nowMillis, sql, type Database } from '@cogmesh/database';
import type { LimitedKind, LimitStore, ScopeLimits, StoredScope } from '@cogmesh/scheduling-core';

type Row = ScopeLimits & { kind: LimitedKind; organisation: string; name: string; paused: number };

export class SqlLimits implements LimitStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async all(): Promise<StoredScope[]> {
    const rows = await this.#db.query(sql<Row>`select s.kind, s.organisation, s.name, s.max_in_flight as "maxInFlight",
      s.rate_per_second as "ratePerSecond", s.burst, s.max_queued as "maxQueued", s.weight,
      s.service_class as "serviceClass", s.parts, s.paused from scopes s`);
    return rows.map(({ kind, organisation, name, paused, ...limits }) => ({
      kind,
      organisation,
      name,
      paused: paused === 1,
      limits,
    }));
  }

  /** Changes with every change. */
  async version(): Promise<string> {
    const [row] = await this.#db.query(sql<{ scopes: number; changedAt: number }>`select count(*) as scopes,
      coalesce(max(s.changed_at), 0) as "changedAt" from scopes s`);
    return `${row?.scopes ?? 0} ${row?.changedAt ?? 0}`;
  }

  async save({ kind, organisation, name, limits, paused }: StoredScope, changedBy: string): Promise<void> {
    await this.#db.execute(sql`insert into scopes (kind, organisation, name, max_in_flight, rate_per_second, burst,
        max_queued, weight, service_class, parts, paused, changed_at, changed_by)
      values (${kind}, ${organisation}, ${name}, ${limits.maxInFlight}, ${limits.ratePerSecond}, ${limits.burst},
        ${limits.maxQueued}, ${limits.weight}, ${limits.serviceClass}, ${limits.parts ?? 0}, ${paused ? 1 : 0}, ${nowMillis}, ${changedBy})
      on conflict (kind, organisation, name) do update set max_in_flight = excluded.max_in_flight,
        rate_per_second = excluded.rate_per_second, burst = excluded.burst, max_queued = excluded.max_queued,
        weight = excluded.weight, service_class = excluded.service_class, parts = excluded.parts,
        paused = excluded.paused, changed_at = excluded.changed_at, changed_by = excluded.changed_by`);
  }
}
