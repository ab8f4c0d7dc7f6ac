/** What all replicas of the scheduler see, by capability. */
import type { Sighting } from './duty.js';

export interface Demand {
  readonly queued: number;
  /** Milliseconds since the epoch; infinite when nothing waits. */
  readonly readyAtMs: number;
  readonly busySlots: number;
}

const none: Demand = { queued: 0, readyAtMs: Infinity, busySlots: 0 };

/** Needs that nobody serves are left out: no pool can do anything about them. */
export function inTotal(
  sightings: readonly Sighting[],
  capabilityOf: (need: string) => string | undefined,
): { of(capability: string): Demand } {
  const demands = new Map<string, Demand>();
  const add = (capability: string, change: (demand: Demand) => Partial<Demand>): void => {
    const demand = demands.get(capability) ?? none;
    demands.set(capability, { ...demand, ...change(demand) });
  };
  for (const { waiting, busy } of sightings) {
    for (const [need, { queued, readyAtMs }] of waiting) {
      const capability = capabilityOf(need);
      if (capability === undefined) continue;
      add(capability, (demand) => ({
        queued: demand.queued + queued,
        readyAtMs: Math.min(demand.readyAtMs, readyAtMs),
      }));
    }
    for (const [capability, slots] of busy) {
      add(capability, ({ busySlots }) => ({ busySlots: busySlots + slots }));
    }
  }
  return { of: (capability) => demands.get(capability) ?? none };
}
