/**
 * How much of a whole each replica should hold. Those that have work for it share it by the weight of the organisations that
 * wait; what does not divide goes round from turn to turn, each getting it as often as is fair. Those without work keep at
 * most one, so that their next task need not wait, and only where that is a small part. Pure; every replica computes the same.
 */

/** The weight of what waits for it at one replica; 0 when nothing does. */
export interface Claim {
  readonly replica: string;
  readonly weight: number;
}

export interface Whole {
  readonly whole: number;
  /** A rate; otherwise whole numbers are shared. */
  readonly isDivisible: boolean;
}

export interface Sharing {
  /** Living replicas. */
  readonly living: readonly string[];
  /** Grows with time. */
  readonly turn: number;
}

/** Of a whole at least this many times the number of replicas, one without work keeps one. */
const idleFactor = 4;

/** `claims`: of living replicas; one that is missing wants nothing. */
export function fairAmount(
  me: string,
  claims: readonly Claim[],
  { whole, isDivisible }: Whole,
  sharing: Sharing,
): number {
  const { living, turn } = sharing;
  const idle = !isDivisible && whole >= idleFactor * living.length ? 1 : 0;
  const wanting = claims.filter(({ weight }) => weight > 0).toSorted((a, b) => (a.replica < b.replica ? -1 : 1));
  const index = wanting.findIndex(({ replica }) => replica === me);
  if (index < 0) return idle;
  const left = Math.max(0, whole - idle * (living.length - wanting.length));
  const sum = wanting.reduce((total, { weight }) => total + weight, 0);
  const parts = wanting.map(({ weight }) => (left * weight) / sum);
  return isDivisible ? (parts[index] ?? 0) : (apportioned(parts, turn)[index] ?? 0);
}

/** Fractional part of the golden ratio: its multiples fall evenly into any interval. */
const golden = 0.618_033_988_749_895;
/** Sums of fractions that should be whole. */
const tolerance = 1e-9;

/** Whole numbers that sum to what `parts` sum to: each its part rounded down, or one more, as often as its fraction says. */
function apportioned(parts: readonly number[], turn: number): number[] {
  const start = (turn * golden) % 1;
  let passed = 0;
  return parts.map((part) => {
    const floor = Math.floor(part + tolerance);
    const before = Math.ceil(passed - start - tolerance);
    passed += Math.max(0, part - floor);
    const after = Math.ceil(passed - start - tolerance);
    return floor + Math.max(0, after) - Math.max(0, before);
  });
}
