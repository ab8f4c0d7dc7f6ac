/** Recent events per second of each name, with older ones counting less and less. For estimates, never for limits. */
interface Recent {
  /** Sum of events, each faded by its age. */
  sum: number;
  countedAtMs: number;
  readonly sinceMs: number;
}

/** An event this old counts 1/e. */
const fadeMs = 30_000;
const maxNames = 10_000;

export class Throughput {
  readonly #nowMs: () => number;
  readonly #recent = new Map<string, Recent>();

  /** `nowMs`: monotonic, milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  note(name: string, events = 1): void {
    const now = this.#nowMs();
    const before = this.#recent.get(name) ?? { sum: 0, countedAtMs: now, sinceMs: now };
    this.#recent.delete(name);
    this.#recent.set(name, { ...before, sum: faded(before, now) + events, countedAtMs: now });
    const oldest = this.#recent.keys().next().value;
    if (this.#recent.size > maxNames && oldest !== undefined) this.#recent.delete(oldest);
  }

  /** 0 when nothing is known. */
  perSecond(name: string): number {
    const recent = this.#recent.get(name);
    if (!recent) return 0;
    const now = this.#nowMs();
    // What was watched for only a moment is reckoned over that moment, but over a second at least.
    const watchedMs = Math.max(1_000, now - recent.sinceMs);
    return faded(recent, now) / ((fadeMs / 1_000) * (1 - Math.exp(-watchedMs / fadeMs)));
  }
}

const faded = ({ sum, countedAtMs }: Recent, nowMs: number): number => sum * Math.exp((countedAtMs - nowMs) / fadeMs);
