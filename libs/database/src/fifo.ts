/** A lock handed out in the order of asking. */
export class Fifo {
  #last: Promise<void> = Promise.resolve();

  /** Resolves with the function that lets the next one in; call it exactly once. */
  async acquire(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }
}
