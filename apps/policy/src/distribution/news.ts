/** Lets questions wait until something changed here. What happened before the wait is the asker's to compare. */
export class News {
  readonly #listeners = new Set<() => void>();
  #next = Promise.withResolvers<void>();
  #closed = false;

  /** Ends every wait. */
  readonly changed = (): void => {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve();
    for (const listener of this.#listeners) listener();
  };

  /** Calls back at every change; answers how to stop. */
  readonly follow = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Resolves at the next change, after `ms`, or at once when the service is stopping. */
  async wait(ms: number): Promise<void> {
    if (this.#closed || ms <= 0) return;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    await Promise.race([this.#next.promise, over.promise]);
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    this.changed();
  }
}
