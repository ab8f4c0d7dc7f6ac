/** What goes wrong in a seed, and when. */
import type { SeededRandom } from './seeded-random.js';

export const faultKinds = [
  'scheduler killed',
  'scheduler frozen',
  'scheduler stopped',
  'store down',
  'store shaky',
  'broker down',
  'broker shaky',
  'agent crashed',
  'agent frozen',
  'agent cut off',
  'agent drained',
  'registry stale',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Virtual milliseconds from the start of the seed. */
  readonly atMs: number;
  readonly lastsMs: number;
}

/** Nothing goes wrong after that. */
export const calmAtMs = 30_000;
const [fewest, most] = [3, 8];

export function planFaults(random: SeededRandom): Fault[] {
  const faults = Array.from({ length: random.between(fewest, most) }, (): Fault => {
    const kind = random.pick(faultKinds);
    // Early, while there is most to lose.
    const atMs = random.below(random.pick([3_000, 10_000, calmAtMs - 8_000]));
    return { kind, atMs, lastsMs: random.pick([200, 1_500, 4_000, 8_000]) };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}
