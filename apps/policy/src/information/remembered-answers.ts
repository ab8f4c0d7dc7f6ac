/**
 * Answers kept for a short time, and questions asked once: who asks for a key that is being asked for waits for that answer.
 * Bounded in what it keeps and in what it has under way. A failure is told to those who waited for it, and kept by nobody.
 */
import { CogmeshError } from '@cogmesh/errors';

export interface RememberedAnswersOptions {
  /** Answers kept; the oldest goes first. */
  readonly entriesMax: number;
  /** Calls under way at once; what comes beside them fails at once. */
  readonly callsMax: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Answer<Value> {
  readonly value: Value;
  readonly untilMs: number;
}

export interface Batch<Value> {
  readonly keys: readonly string[];
  /** How long an answer counts, from the moment at which it was asked for, milliseconds. */
  readonly ttlMs: number;
  /** One value per key, in order. */
  readonly ask: (keys: readonly string[]) => Promise<readonly Value[]>;
}

export class RememberedAnswers<Value> {
  readonly #options: RememberedAnswersOptions;
  readonly #kept = new Map<string, Answer<Value>>();
  readonly #asking = new Map<string, Promise<Answer<Value>>>();
  #calls = 0;

  constructor(options: RememberedAnswersOptions) {
    this.#options = options;
  }

  /** An answer per key, in order. Rejects when one of them cannot be had. */
  async answers({ keys, ttlMs, ask }: Batch<Value>): Promise<readonly Answer<Value>[]> {
    const nowMs = this.#options.now();
    const open = [...new Set(keys)].filter((key) => !this.#asking.has(key) && this.#keptFor(key, nowMs) === undefined);
    if (open.length > 0) this.#begin({ keys: open, ttlMs, ask }, nowMs);
    return Promise.all(
      keys.map((key) => this.#asking.get(key) ?? this.#keptFor(key, nowMs) ?? Promise.reject(new Error('not asked'))),
    );
  }

  #keptFor(key: string, nowMs: number): Answer<Value> | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && nowMs < kept.untilMs ? kept : undefined;
  }

  #begin({ keys, ttlMs, ask }: Batch<Value>, nowMs: number): void {
    const values = this.#call(() => ask(keys));
    keys.forEach((key, i) => {
      const asked = values
        .then((all) => {
          const answer = { value: all[i] as Value, untilMs: nowMs + ttlMs };
          this.#keep(key, answer);
          return answer;
        })
        .finally(() => this.#asking.delete(key));
      // Whoever waits is told by the promise of its own.
      asked.catch(() => undefined);
      this.#asking.set(key, asked);
    });
  }

  async #call(ask: () => Promise<readonly Value[]>): Promise<readonly Value[]> {
    if (this.#calls >= this.#options.callsMax) throw new CogmeshError('overloaded', 'too many questions at once');
    this.#calls += 1;
    try {
      return await ask();
    } finally {
      this.#calls -= 1;
    }
  }

  #keep(key: string, answer: Answer<Value>): void {
    this.#kept.delete(key);
    const [oldest] = this.#kept.size >= this.#options.entriesMax ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, answer);
  }
}
