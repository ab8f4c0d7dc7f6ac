/**
 * Leases of running attempts: kept in memory only. Whoever loads a running task starts its lease anew, so after a restart
 * nobody is lost before a whole lease has passed in silence.
 */
import type { Engine } from './engine.js';
import type { TaskRow } from './rows.js';

/** A lease that begins now: of the task's own period, or of the usual one. A time-out that is sooner is due first. */
export function leaseFrom(
  now: number,
  { leaseMs, timeoutAt }: Pick<TaskRow, 'leaseMs' | 'timeoutAt'>,
  usualMs: number,
): { readonly leaseUntil: number; readonly dueAt: number } {
  const leaseUntil = now + (leaseMs ?? usualMs);
  return { leaseUntil, dueAt: Math.min(leaseUntil, timeoutAt ?? leaseUntil) };
}

/**
 * Extends the leases of attempts that agents say they hold, and answers which of them nobody wants any more. An attempt that
 * is handed over but not started is wanted and needs no lease yet. While the engine reads its state anew nothing is known
 * to be unwanted; leases begin anew then anyway.
 */
export function renewLeases(engine: Engine, attemptIds: readonly string[], leaseMs: number): string[] {
  if (!engine.isOpen) return [];
  const now = engine.now();
  return [...new Set(attemptIds)].filter((id) => {
    const task = engine.attempt(id);
    // Its timer looks at this when it fires, and waits on.
    if (task?.state === 'RUNNING') task.leaseUntil = now + (task.leaseMs ?? leaseMs);
    return task === undefined;
  });
}
