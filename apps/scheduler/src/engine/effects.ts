/** What a committed transaction means for the memory beside the database. Built inside, applied only after the commit. */
import type { TaskRef } from '../adapters/engine-tables.js';
import type { ReadyEntry } from '../model/rows.js';

export interface Effects {
  /** Tasks that became READY. */
  readonly ready: ReadyEntry[];
  /** Keys of ready tasks that were handed back and should rest a little. */
  readonly handedBack: Set<string>;
  /** Keys of tasks that are READY no more although nobody claimed them. */
  readonly unready: string[];
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
  /** Webhook deliveries that were recorded. */
  deliveries: number;
  /** Milliseconds from now until the earliest timer that was set. */
  soonestTimerMs: number | undefined;
  /** Events that did not apply to the state they met. */
  ignored: number;
}

export function noEffects(): Effects {
  return {
    ready: [],
    handedBack: new Set(),
    unready: [],
    freed: [],
    aggregate: [],
    finalise: [],
    stop: [],
    answered: [],
    orphaned: [],
    reprioritised: [],
    changed: new Map(),
    opened: new Map(),
    deliveries: 0,
    soonestTimerMs: undefined,
    ignored: 0,
  };
}
