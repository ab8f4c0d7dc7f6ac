import type { Engine } from './engine.js';
import type { Outcomes } from './outcomes.js';
import type { ResidentRun } from './resident-run.js';
import type { Unit } from './unit.js';

export interface Decided<T> {
  readonly result: T;
  /** Resolves when it is stored, rejects when it is refused. May be left alone. */
  readonly stored: Promise<unknown>;
}

/**
 * Decides without waiting for the store. Rejects when nothing was decided; memory may have been thrown away when it resolves,
 * so the caller looks at the engine's generation.
 */
export function decide<T>(
  engine: Engine,
  runIds: Iterable<string>,
  work: (unit: Unit, outcomes: Outcomes) => T,
): Promise<Decided<T>> {
  return new Promise((resolve, reject) => {
    const stored = engine.transact(runIds, (unit, outcomes) => {
      const result = work(unit, outcomes);
      resolve({ result, stored });
    });
    stored.catch(reject);
  });
}

/** Keeps these runs in memory while `work` goes on; loads what is missing. */
export async function withRuns<T>(
  engine: Engine,
  runIds: Iterable<string>,
  work: (runs: readonly ResidentRun[]) => Promise<T>,
): Promise<T> {
  // While memory is closed the store may still be about to change.
  while (!engine.isOpen) await engine.opened();
  const runs = await engine.residents.pin(runIds);
  try {
    return await work(runs);
  } finally {
    engine.residents.release(runs);
  }
}
