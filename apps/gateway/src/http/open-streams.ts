/** The event streams open now, so that a stop can end each with a hint to come back, and wait for them to have ended. */
export class OpenStreams {
  readonly #closing = new AbortController();
  readonly #open = new Set<Promise<void>>();

  /** Aborted when the gateway stops. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Keeps count of a stream until it has ended. */
  async keep(stream: Promise<void>): Promise<void> {
    this.#open.add(stream);
    await stream.finally(() => this.#open.delete(stream));
  }

  get size(): number {
    return this.#open.size;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#open);
  }
}
