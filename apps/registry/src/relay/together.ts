/**
 * Writes that arrive while another is under way travel together with the next: alone nothing waits, under load one round trip
 * carries many. Each caller's promise means its own item is done; what fails, fails for all that travelled with it.
 */
export interface TogetherOptions<T> {
  readonly write: (items: readonly T[]) => Promise<void>;
  /** Items of one write. */
  readonly maxItems: number;
  /** Sum of `weigh` of one write; a heavier item travels alone. */
  readonly maxWeight?: number;
  readonly weigh?: (item: T) => number;
}

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Together<T> {
  readonly #options: TogetherOptions<T>;
  readonly #waiting: Waiting<T>[] = [];
  #isWriting = false;

  constructor(options: TogetherOptions<T>) {
    this.#options = options;
  }

  write(item: T): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ item, resolve, reject });
    if (!this.#isWriting) void this.#writeAll();
    return promise;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    // What one turn of the event loop brings (a frame of the stream, say) is written at once.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#fitting());
      try {
        await this.#options.write(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  /** How many of those that wait fit into one write; at least one. */
  #fitting(): number {
    const { maxItems, maxWeight = Infinity, weigh = () => 0 } = this.#options;
    let weight = 0;
    const last = Math.min(maxItems, this.#waiting.length);
    for (let count = 0; count < last; count++) {
      const waiting = this.#waiting[count];
      weight += waiting === undefined ? 0 : weigh(waiting.item);
      if (weight > maxWeight) return Math.max(1, count);
    }
    return last;
  }
}
