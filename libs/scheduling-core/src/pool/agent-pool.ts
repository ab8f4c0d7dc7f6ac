/** The port through which slots are added and taken away. One pool is one place: the agents there are, or more of them elsewhere. */
export type Place = 'same-host' | 'other-hosts';

/** Slots of one capability in one place. */
export interface PoolSlots {
  /** As asked for last; they may not all be there yet. */
  readonly slots: number;
  /** The fixed pool: never fewer. */
  readonly min: number;
  readonly max: number;
  /** Slots come and go in multiples of this. */
  readonly step: number;
}

export interface AgentPool {
  readonly place: Place;
  /** Undefined where this pool can do nothing for the capability. */
  slots(capability: string): PoolSlots | undefined;
  /**
   * Resolves when the change is under way. `slots` is within what `slots()` said. Taking slots away drops no work: what runs
   * there ends first. `reason` is for people. False when nothing changes, since others need what would go. Rejects when it failed.
   */
  resize(capability: string, slots: number, reason: string): Promise<boolean>;
}
