/**
 * What a decision means beyond the rows it changed. Memory (order, credits, timers, steps) learns it at once, since memory
 * is as far as decisions are; the world (agents, watchers, notifications) only when it is stored.
 */
import type { ReadyEntry, RunRow, TaskRef, TaskRow } from './rows.js';

export interface Effects {
  /** Tasks that became READY. */
  readonly ready: ReadyEntry[];
  /** Keys of ready tasks that were handed back and should rest a little. */
  readonly handedBack: Set<string>;
  /** Tasks that are READY no more although nobody claimed them. */
  readonly unready: ReadyEntry[];
  /** Tasks that were claimed. */
  readonly claimed: ReadyEntry[];
  /** Attempts that no longer occupy a credit. */
  readonly freed: string[];
  /** forEach tasks whose items are all done. */
  readonly aggregate: TaskRef[];
  /** Runs whose tasks are all terminal. */
  readonly finalise: string[];
  /** Attempts whose agents must stop working on them. */
  readonly stop: { readonly agentId: string; readonly attemptId: string }[];
  /** Nested runs that ended: their tasks wait for the answer. */
  readonly answered: string[];
  /** Nested runs that no task waits for any more. */
  readonly orphaned: string[];
  /** Ready tasks with a new priority. */
  readonly reprioritised: ReadyEntry[];
  /** Runs with new history. */
  readonly changed: Map<string, { readonly organisation: string; readonly sequence: number }>;
  /** Change of the number of unfinished tasks, by organisation. */
  readonly opened: Map<string, number>;
  /** Rows whose `dueAt` was set. */
  readonly timed: TaskRow[];
  /** Runs whose deadline was set. */
  readonly deadlines: RunRow[];
  /** Events that did not apply to the state they met. */
  ignored: number;
}

export function noEffects(): Effects {
  return {
    ready: [],
    handedBack: new Set(),
    unready: [],
    claimed: [],
    freed: [],
    aggregate: [],
    finalise: [],
    stop: [],
    answered: [],
    orphaned: [],
    reprioritised: [],
    changed: new Map(),
    opened: new Map(),
    timed: [],
    deadlines: [],
    ignored: 0,
  };
}
