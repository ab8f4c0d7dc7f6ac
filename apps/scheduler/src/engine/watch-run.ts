/** A run's stored history from a sequence number on, then live until its last entry. */
import { isTerminalRun, type RunState } from '@cogmesh/scheduling-core';
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import type { StoredHistoryEntry } from '@cogmesh/scheduling-core';
import type { RunNotifier } from './run-notifier.js';
import { Signal } from './signal.js';

const page = 500;
/** Backstop for a wake-up that another process would have to send. */
const pollMs = 1_000;

export interface WatchRequest {
  readonly runId: string;
  readonly organisation: string;
  readonly after: number;
  readonly signal: AbortSignal;
}

export async function* watchRun(
  { views, notifier }: { readonly views: SqlRunViews; readonly notifier: RunNotifier },
  { runId, organisation, after, signal }: WatchRequest,
): AsyncGenerator<StoredHistoryEntry> {
  const wake = new Signal();
  const stopListening = notifier.listen(runId, () => wake.set());
  const leave = (): void => wake.set();
  signal.addEventListener('abort', leave, { once: true });
  try {
    let seen = after;
    while (!signal.aborted) {
      const entries = await views.history(runId, seen, page);
      for (const entry of entries) {
        yield entry;
        seen = entry.sequence;
      }
      if (entries.at(-1)?.type === 'run.done') return;
      if (entries.length === page) continue;
      // Somebody who has seen everything already is told so by the end of the stream.
      if (entries.length === 0 && (await isOver(views, { runId, organisation, after: seen }))) return;
      await wake.wait(pollMs);
    }
  } finally {
    signal.removeEventListener('abort', leave);
    stopListening();
  }
}

/** Nothing more will come: it has ended, and what it stored with its end has been seen, or is gone by now. */
async function isOver(
  views: SqlRunViews,
  { runId, organisation, after }: Omit<WatchRequest, 'signal'>,
): Promise<boolean> {
  const run = await views.run(runId, organisation);
  if (run === undefined) return true;
  if (!isTerminalRun(run.state as RunState)) return false;
  return after >= run.sequence || (await views.history(runId, after, 1)).length === 0;
}
