/** Messages pushed from callbacks, read as one stream: the sending half of a two-way call. */
import { CogmeshError } from '@cogmesh/errors';

/** Messages that may wait for a slow reader before the stream fails. */
const DEFAULT_MAX_WAITING = 1_000;

/** Read once, by one reader. */
export class Outgoing<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  readonly #maxWaiting: number;
  #wake: (() => void) | undefined;
  #ended = false;
  #failure: unknown;

  constructor(maxWaiting = DEFAULT_MAX_WAITING) {
    this.#maxWaiting = maxWaiting;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** False when the stream has ended, or ends now with `overloaded` because the reader is too slow. */
  push(message: T): boolean {
    if (this.#ended) return false;
    if (this.#waiting.length >= this.#maxWaiting) {
      this.fail(new CogmeshError('overloaded', `${this.#maxWaiting} messages wait for a reader that does not keep up`));
      return false;
    }
    this.#waiting.push(message);
    this.#wake?.();
    return true;
  }

  /** The reader gets what was pushed, then the end. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The reader gets what was pushed, then the failure. */
  fail(error: unknown): void {
    if (!this.#ended) this.#failure = error;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        while (this.#waiting.length > 0) yield this.#waiting.shift() as T;
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#ended) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#ended = true;
    }
  }
}
