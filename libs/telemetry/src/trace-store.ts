/**
 * The embedded trace store: spans in SQLite, so that `cogmesh trace <run>` works with nothing else installed. Keeps the
 * newest `maxTraces` traces and, of each, the first `maxSpansPerTrace` spans. Not a back end for production: there OTEL_*
 * names a real one.
 */
import type { SpanRecord } from './span-record.js';

export interface TraceStoreLimits {
  /** Default 2,000. */
  readonly maxTraces?: number;
  /** Default 20,000. */
  readonly maxSpansPerTrace?: number;
}

export interface TraceStore {
  append(spans: readonly SpanRecord[]): Promise<void>;
  /** Spans of one trace by start time; empty when it is not (or no longer) known. */
  read(traceId: string): Promise<SpanRecord[]>;
  close(): Promise<void>;
}

export async function openTraceStore(path: string, limits: TraceStoreLimits = {}): Promise<TraceStore> {
  // Loaded on use: most processes that trace never open a store.
  const { SqliteTraceStore } = await import('./sqlite-trace-store.js');
  return SqliteTraceStore.open(path, limits.maxTraces ?? 2_000, limits.maxSpansPerTrace ?? 20_000);
}
