/** The event streams open now, so that a stop can end each with a hint to come back, and wait for them to have ended. */
export class OpenStreams {
  readonly #closing = new AbortController();
  readonly #open = new Set<Promise<void>>();

  /** Runs one stream; `closing` is aborted when the gateway stops. */
  run(stream: (closing: AbortSignal) => Promise<void>): Promise<void> {
    const running = stream(this.#closing.signal).finally(() => this.#open.delete(running));
    this.#open.add(running);
    return running;
  }

  get size(): number {
    return this.#open.size;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#open);
  }
}
