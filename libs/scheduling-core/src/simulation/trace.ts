/** What happened, as lines: the last of them for a person, a hash of all of them to prove that a seed repeats. */
const kept = 60;
const [offset, prime] = [0x811c9dc5, 0x01000193];

export class Trace {
  #hash = offset;
  #lines: string[] = [];
  #count = 0;
  readonly #now: () => number;

  /** `now`: virtual milliseconds since the seed began. */
  constructor(now: () => number) {
    this.#now = now;
  }

  note(line: string): void {
    const stamped = `${String(this.#now()).padStart(7)} ${line}`;
    // FNV-1a, 32 bits, over UTF-16 code units: good enough to tell two traces apart.
    let hash = this.#hash;
    for (let at = 0; at < stamped.length; at += 1) hash = Math.imul(hash ^ stamped.charCodeAt(at), prime);
    this.#hash = hash;
    this.#count += 1;
    this.#lines.push(stamped);
    if (this.#lines.length > 2 * kept) this.#lines = this.#lines.slice(-kept);
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  get events(): number {
    return this.#count;
  }

  /** The newest, oldest first. */
  last(): readonly string[] {
    return this.#lines.slice(-kept);
  }
}
