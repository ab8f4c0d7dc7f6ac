import type { Database } from './port.js';
import { RelationalDatabase } from './relational-database.js';
import { SqliteEngine } from './sqlite-engine.js';

/** How long a statement waits for another process that holds the file, milliseconds. */
const defaultBusyTimeoutMs = 5_000;

export interface SqliteOptions {
  readonly busyTimeoutMs?: number;
}

/**
 * Opens or creates a SQLite file (folders included; `:memory:` for a throw-away one) in a thread of its own, WAL with
 * synchronous=FULL: what was committed survives a crash. Rejects with `unavailable` or `data_loss` (not a database).
 */
export async function openSqlite(path: string, options: SqliteOptions = {}): Promise<Database> {
  const engine = new SqliteEngine({ path, busyTimeoutMs: options.busyTimeoutMs ?? defaultBusyTimeoutMs });
  await engine.thread();
  return new RelationalDatabase(engine);
}
