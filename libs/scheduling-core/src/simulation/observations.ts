/**
 * What the world saw, apart from anything the scheduler says of itself: which work agents were given and started, what they
 * reported, what they were told to stop, what callers asked and were answered.
 */
import type { SimulatedResult, SimulatedWork } from './messages.js';

export interface StartedAttempt extends SimulatedWork {
  readonly agentId: string;
  readonly at: number;
}

/** What a caller asked of a run, and whether the answer was yes. */
export interface Asked {
  readonly runId: string;
  readonly what: 'submit' | 'cancel' | 'pause' | 'resume' | 'priority' | 'approve' | 'refuse';
  readonly at: number;
  isGranted: boolean;
}

const taskOf = ({ runId, taskId, itemIndex }: SimulatedWork): string => `${runId} ${taskId} ${itemIndex}`;

export class Observations {
  readonly starts = new Map<string, StartedAttempt>();
  readonly results = new Map<string, SimulatedResult[]>();
  readonly asked: Asked[] = [];
  /** When agents were told to stop an attempt. */
  readonly stops = new Map<string, number>();
  readonly #attempts = new Map<string, Set<string>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Answers how many other attempts of the task were started before. */
  started(work: SimulatedWork & { readonly agentId: string }): number {
    const key = taskOf(work);
    const attempts = this.#attempts.get(key) ?? new Set();
    this.#attempts.set(key, attempts);
    if (!this.starts.has(work.attemptId)) this.starts.set(work.attemptId, { ...work, at: this.#now() });
    attempts.delete(work.attemptId);
    const earlier = attempts.size;
    attempts.add(work.attemptId);
    return earlier;
  }

  reported(result: SimulatedResult): void {
    const known = this.results.get(result.attemptId);
    if (known) known.push(result);
    else this.results.set(result.attemptId, [result]);
  }

  stopped(attemptId: string): void {
    if (!this.stops.has(attemptId)) this.stops.set(attemptId, this.#now());
  }

  asks(runId: string, what: Asked['what']): Asked {
    const asked: Asked = { runId, what, at: this.#now(), isGranted: false };
    this.asked.push(asked);
    return asked;
  }

  /** Attempts of a task that some agent started. */
  attemptsOf(key: string): readonly StartedAttempt[] {
    return [...(this.#attempts.get(key) ?? [])].flatMap((id) => this.starts.get(id) ?? []);
  }
}
