/** Chance that repeats: the same words give the same numbers for ever, and whoever draws elsewhere does not disturb it. */
export class Chance {
  #state = 0x811c9dc5;

  /** `words` name what is drawn, the seed first. */
  constructor(...words: readonly (string | number)[]) {
    for (const byte of Buffer.from(words.join('\n'))) this.#state = Math.imul(this.#state ^ byte, 0x01000193) >>> 0;
    // Words that differ in their last letter begin alike; a few rounds part them.
    for (let round = 0; round < 4; round += 1) this.#next();
  }

  /** From 0, below 1 (mulberry32 of Tommy Ettinger, public domain). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  /** A whole number from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True with this probability. */
  happens(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to pick from');
    return list[this.below(list.length)] as T;
  }

  /** At most `count` of them, in random order. */
  some<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    const picked: T[] = [];
    while (picked.length < count && left.length > 0) picked.push(...left.splice(this.below(left.length), 1));
    return picked;
  }
}
