/**
 * One queue, read with a number of places that may change. The broker fixes the prefetch of a consumer when it begins, so more
 * places are one more consumer, and fewer are the newest consumers less. What a consumer holds when it is let go still runs.
 */
import type { Consumer } from '@cogmesh/bus';

export class QueueReader implements Consumer {
  readonly #open: (prefetch: number) => Promise<Consumer>;
  readonly #consumers: { readonly consumer: Consumer; readonly places: number }[] = [];
  readonly #leaving = new Set<Promise<void>>();

  constructor(open: (prefetch: number) => Promise<Consumer>) {
    this.#open = open;
  }

  get places(): number {
    return this.#consumers.reduce((sum, { places }) => sum + places, 0);
  }

  /** Resolves when the queue is read with exactly so many; one call at a time. */
  async setPlaces(places: number): Promise<void> {
    while (this.places > places) this.#letGo();
    const missing = places - this.places;
    if (missing > 0) this.#consumers.push({ consumer: await this.#open(missing), places: missing });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#consumers.splice(0).map(({ consumer }) => consumer.stop()), ...this.#leaving]);
  }

  /** Not awaited: its deliveries may wait for others of the same agent to end. */
  #letGo(): void {
    const leaving = this.#consumers.pop()?.consumer.stop();
    if (!leaving) return;
    this.#leaving.add(leaving);
    const left = () => void this.#leaving.delete(leaving);
    leaving.then(left, left);
  }
}
