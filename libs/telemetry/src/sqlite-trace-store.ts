import { bulk, openSqlite, sql, type Database } from '@cogmesh/database';
import type { SpanRecord } from './span-record.js';
import type { TraceStore } from './trace-store.js';

const migrations = [
  {
    name: '0001-spans',
    up: async (db: Pick<Database, 'execute'>) => {
      await db.execute(
        sql`CREATE TABLE traces (trace_id TEXT PRIMARY KEY, seen_at BIGINT NOT NULL, spans BIGINT NOT NULL)`,
      );
      await db.execute(sql`CREATE INDEX traces_by_age ON traces (seen_at)`);
      await db.execute(
        sql`CREATE TABLE spans (trace_id TEXT NOT NULL, span_id TEXT NOT NULL, start_us BIGINT NOT NULL, record TEXT NOT NULL,
            PRIMARY KEY (trace_id, span_id))`,
      );
    },
  },
];

export class SqliteTraceStore implements TraceStore {
  static async open(path: string, maxTraces: number, maxSpansPerTrace: number): Promise<SqliteTraceStore> {
    const database = await openSqlite(path);
    await database.migrate(migrations);
    return new SqliteTraceStore(database, maxTraces, maxSpansPerTrace);
  }

  private constructor(
    private readonly database: Database,
    private readonly maxTraces: number,
    private readonly maxSpansPerTrace: number,
  ) {}

  async append(spans: readonly SpanRecord[]): Promise<void> {
    if (spans.length === 0) return;
    const rows = spans.map((span) => ({
      trace_id: span.traceId,
      span_id: span.spanId,
      start_us: span.startUs,
      record: JSON.stringify(span),
    }));
    const input = bulk('sqlite', rows, { trace_id: 'text', span_id: 'text', start_us: 'bigint', record: 'text' });
    await this.database.transaction(async (tx) => {
      await tx.execute(
        sql`INSERT INTO traces (trace_id, seen_at, spans) SELECT trace_id, ${Date.now()}, count(*) FROM ${input} AS s WHERE true GROUP BY trace_id
            ON CONFLICT (trace_id) DO UPDATE SET spans = traces.spans + excluded.spans`,
      );
      await tx.execute(
        sql`INSERT INTO spans (trace_id, span_id, start_us, record)
            SELECT s.trace_id, s.span_id, s.start_us, s.record FROM ${input} AS s JOIN traces t ON t.trace_id = s.trace_id
            WHERE t.spans <= ${this.maxSpansPerTrace} ON CONFLICT DO NOTHING`,
      );
      await this.prune(tx);
    });
  }

  private async prune(tx: Pick<Database, 'execute'>): Promise<void> {
    const removed = await tx.execute(
      sql`DELETE FROM traces WHERE trace_id IN (SELECT trace_id FROM traces ORDER BY seen_at DESC, rowid DESC LIMIT -1 OFFSET ${this.maxTraces})`,
    );
    if (removed > 0) await tx.execute(sql`DELETE FROM spans WHERE trace_id NOT IN (SELECT trace_id FROM traces)`);
  }

  async read(traceId: string): Promise<SpanRecord[]> {
    const rows = await this.database.query<{ record: string }>(
      sql`SELECT record FROM spans WHERE trace_id = ${traceId} ORDER BY start_us, span_id`,
    );
    return rows.map((row) => JSON.parse(row.record) as SpanRecord);
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
