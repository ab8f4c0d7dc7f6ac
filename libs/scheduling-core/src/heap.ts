/** A binary min-heap. `compare(a, b) < 0` puts `a` first. */
export class Heap<T> {
  #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    let at = this.#items.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#order(parent, at) <= 0) break;
      this.#swap(parent, at);
      at = parent;
    }
  }

  pop(): T | undefined {
    const first = this.#items[0];
    const last = this.#items.pop();
    if (this.#items.length > 0 && last !== undefined) {
      this.#items[0] = last;
      this.#sink();
    }
    return first;
  }

  /** Every item that goes before `item`, in no particular order; looks at no others but their neighbours. */
  *before(item: T): Generator<T> {
    const open = [0];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const found = this.#items[at];
      if (found === undefined || this.#compare(found, item) >= 0) continue;
      yield found;
      open.push(2 * at + 1, 2 * at + 2);
    }
  }

  /** Drops everything else. */
  keep(isKept: (item: T) => boolean): void {
    const items = this.#items.filter(isKept);
    this.#items = [];
    for (const item of items) this.push(item);
  }

  #sink(): void {
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      if (left >= this.#items.length) return;
      const right = left + 1;
      const smaller = right < this.#items.length && this.#order(right, left) < 0 ? right : left;
      if (this.#order(at, smaller) <= 0) return;
      this.#swap(at, smaller);
      at = smaller;
    }
  }

  #order(i: number, j: number): number {
    return this.#compare(this.#items[i] as T, this.#items[j] as T);
  }

  #swap(i: number, j: number): void {
    [this.#items[i], this.#items[j]] = [this.#items[j] as T, this.#items[i] as T];
  }
}
