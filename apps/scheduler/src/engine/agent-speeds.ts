/**
 * How long tasks take at each agent, by capability, from hand-over to result: a moving average in memory. Only successes
 * count, so an agent that fails at once does not look fast. What was not seen for a while is forgotten, so that an agent
 * that was slow once is tried again. A restart starts from nothing; agents that nobody knows are tried.
 */
import type { workV1 } from '@cogmesh/contracts';
import type { Target } from './credits.js';

/** Weight of the newest task, once there are enough for an average. */
const newestWeight = 0.1;
/** An average older than this says nothing, milliseconds. */
const forgottenAfterMs = 60_000;

interface Average {
  ms: number;
  tasks: number;
  seenAtMs: number;
}

interface Open {
  readonly key: string;
  readonly sinceMs: number;
}

export class AgentSpeeds {
  readonly #nowMs: () => number;
  readonly #open = new Map<string, Open>();
  readonly #averages = new Map<string, Average>();

  /** `nowMs`: monotonic, milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An attempt is on its way to one agent. Shared queues say nothing about who will take it. */
  began(attemptId: string, { agentId, capability }: Target): void {
    if (agentId === undefined) return;
    this.#open.set(attemptId, { key: keyOf(agentId, capability), sinceMs: this.#nowMs() });
  }

  /** It is no longer there, whatever became of it. */
  forget(attemptId: string): void {
    this.#open.delete(attemptId);
  }

  /** Results as they arrive. Attempts that nobody began here, late ones and duplicates, count nothing. */
  arrived(results: readonly Pick<workV1.Result, 'attemptId' | 'outcome'>[]): void {
    for (const { attemptId, outcome } of results) {
      const open = this.#open.get(attemptId);
      this.#open.delete(attemptId);
      if (open && outcome.case === 'outputJson') this.#learn(open);
    }
  }

  /** Milliseconds; undefined when nothing was seen lately. */
  observedMs(agentId: string, capability: string): number | undefined {
    const average = this.#averages.get(keyOf(agentId, capability));
    if (!average) return undefined;
    return this.#nowMs() - average.seenAtMs <= forgottenAfterMs ? average.ms : undefined;
  }

  #learn({ key, sinceMs }: Open): void {
    const now = this.#nowMs();
    const average = this.#averages.get(key) ?? this.#begin(key, now);
    average.tasks += 1;
    average.ms += (now - sinceMs - average.ms) * Math.max(newestWeight, 1 / average.tasks);
    average.seenAtMs = now;
  }

  /** Agents come and go: each new one takes the forgotten ones away. */
  #begin(key: string, now: number): Average {
    for (const [other, { seenAtMs }] of this.#averages) {
      if (now - seenAtMs > forgottenAfterMs) this.#averages.delete(other);
    }
    const average = { ms: 0, tasks: 0, seenAtMs: now };
    this.#averages.set(key, average);
    return average;
  }
}

const keyOf = (agentId: string, capability: string): string => `${agentId} ${capability}`;
