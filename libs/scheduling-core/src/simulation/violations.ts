/** What must never be seen. The first one ends a seed. */
export type Invariant =
  /** A task has at most one accepted result, and it is the one of the attempt that held it. */
  | 'one result'
  /** What was acknowledged survives. */
  | 'durable'
  /** No task of an unfinished run is without exactly one reason to wait. */
  | 'never stuck'
  /** Dependencies, conditions, policies, outputs: what the naive model says. */
  | 'meaning'
  /** Terminal states absorb; a late success loses. */
  | 'terminal'
  /** Nothing is acknowledged before it is stored. */
  | 'acknowledged after stored'
  /** Histories are numbered from 1 without a gap. */
  | 'history'
  /** Never more in flight than a limit or an agent allows. */
  | 'limits'
  /** Only the owner of a shard writes. */
  | 'fencing'
  /** Agents stop what nobody wants. */
  | 'stop'
  /** Every run ends. */
  | 'ends'
  /** The seed is large and bad enough to prove something. */
  | 'enough';

export interface Violation {
  readonly invariant: Invariant;
  readonly message: string;
  /** Virtual milliseconds since the seed began. */
  readonly atMs: number;
}

export class Violations {
  readonly found: Violation[] = [];
  readonly #now: () => number;

  /** `now`: virtual milliseconds since the seed began. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get isNone(): boolean {
    return this.found.length === 0;
  }

  add(invariant: Invariant, message: string): void {
    this.found.push({ invariant, message, atMs: this.#now() });
  }

  require(holds: boolean, invariant: Invariant, message: () => string): void {
    if (!holds) this.add(invariant, message());
  }
}
