/**
 * A bounded map that forgets what was not used lately, in two generations: what is used is kept in the younger, and when that is full it
 * becomes the older, whose rest is dropped. Finding something that was used a moment ago changes nothing, which is what makes it cheap.
 */
export class Generations<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  readonly #max: number;
  readonly #perGeneration: number;

  /** At most `max` entries; 0 keeps nothing. */
  constructor(max: number) {
    this.#max = max;
    this.#perGeneration = Math.max(1, max >> 1);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#max === 0) return;
    this.#old.delete(key);
    if (this.#young.size >= this.#perGeneration && !this.#young.has(key)) {
      this.#old = this.#max === 1 ? new Map<string, V>() : this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
