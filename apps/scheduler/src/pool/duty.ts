/** Which replica of the scheduler decides on the pool, and what all of them see. */

export interface WaitingTasks {
  readonly queued: number;
  /** When the longest waiting of the next ones became ready, milliseconds since the epoch. */
  readonly readyAtMs: number;
}

/** What one replica knows that the decision needs. */
export interface Sighting {
  /** Ready tasks that wait for agents alone, by what they need. */
  readonly waiting: readonly (readonly [need: string, waiting: WaitingTasks])[];
  /** Slots that work handed out by it holds, by capability. */
  readonly busy: readonly (readonly [capability: string, slots: number])[];
}

export interface PoolDuty {
  /** Tells the others what this replica sees; answers what all of them do, or undefined when another one decides. */
  take(sighting: Sighting): Promise<readonly Sighting[] | undefined>;
  /** Another may decide at once. */
  release(): Promise<void>;
}
