export interface PoolSettings {
  /** Mean processor use of the hosts that serve a capability, 0-1, above which it grows. */
  readonly cpuThreshold: number;
  /** How long it must be above that, milliseconds. */
  readonly cpuForMs: number;
  /** Longest wait of the next task in order that is fine, milliseconds. */
  readonly waitTargetMs: number;
  /** How long it must be above that, milliseconds. */
  readonly waitForMs: number;
  /** Least time between two changes of one capability, milliseconds. */
  readonly cooldownMs: number;
  /** Shrinks to the highest need of this time, milliseconds. */
  readonly stabilisationMs: number;
  /** Slots added by one change at most; never more than there are already. */
  readonly maxStep: number;
  /** Slots of one agent and capability on its host at most, whatever it announces. */
  readonly sameHostMaxSlots: number;
  /** Below this much of a core per busy slot work counts as waiting. */
  readonly waitingCpuPerSlot: number;
  /** How long slots that were asked for may take to appear before they count as lost, milliseconds. */
  readonly startPatienceMs: number;
  /** How long throughput is measured before and after growth, milliseconds. */
  readonly settleMs: number;
  /** Growth after which less than `1 - lossTolerance` of the throughput is left is taken back. */
  readonly lossTolerance: number;
}

export const defaultPoolSettings: PoolSettings = {
  cpuThreshold: 0.8,
  cpuForMs: 15_000,
  waitTargetMs: 1_000,
  waitForMs: 5_000,
  cooldownMs: 15_000,
  stabilisationMs: 300_000,
  maxStep: 64,
  sameHostMaxSlots: 64,
  waitingCpuPerSlot: 0.2,
  startPatienceMs: 60_000,
  settleMs: 10_000,
  lossTolerance: 0.1,
};
