/**
 * Runs asynchronous work one after the other. The engine's transactions and what they mean for memory go through one lane,
 * so that counts of work in flight can neither drift nor be rebuilt from a half-applied state.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Resolves when everything queued so far is done. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
