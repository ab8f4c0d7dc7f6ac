/** How long a loop rests after failures in a row: doubles from `firstMs` to `maxMs`, so that nothing spins hot. */
export class Backoff {
  #failures = 0;
  readonly #firstMs: number;
  readonly #maxMs: number;

  constructor(firstMs = 100, maxMs = 5_000) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Milliseconds to rest after one more failure. */
  next(): number {
    this.#failures += 1;
    return Math.min(this.#maxMs, this.#firstMs * 2 ** (this.#failures - 1));
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
