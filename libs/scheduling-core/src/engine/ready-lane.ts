/**
 * One lane of ready tasks: the first of it in memory, the rest in the store. Everything up to the `cutoff` is in memory, so
 * the first in memory is the first of all. Pure bookkeeping: who reads pages and who is offered what is elsewhere.
 */
import { compareReady } from '../fair-order.js';
import type { LaneName, OrderPlace } from './ports.js';
import type { ReadyEntry } from './rows.js';

interface Member {
  entry: ReadyEntry;
  /** Offered; or somebody works on it; or it is left alone for a while. */
  state: 'waiting' | 'in hand' | 'resting';
  /** Of a control lane: what precedes the claim is done. */
  isPrepared: boolean;
}

/** What happened while a page is being read. */
interface Meanwhile {
  /** What the page would begin behind. */
  readonly after: OrderPlace | undefined;
  /** Keys whose row in the page may be out of date. */
  readonly touched: Set<string>;
  /** Beyond the cutoff. */
  readonly offered: Map<string, ReadyEntry>;
  /** Beyond this place not even `offered` knows everything. */
  limit: OrderPlace | undefined;
}

export interface LaneOptions {
  readonly headSize: number;
  /** Tells it from an earlier lane of the same name. */
  readonly made: number;
  /** How many the store has that memory does not know; undefined for a lane that is new. */
  readonly stored?: number;
}

export interface LaneChange {
  readonly added: readonly ReadyEntry[];
  readonly dropped: readonly ReadyEntry[];
}

const unchanged: LaneChange = { added: [], dropped: [] };

export class ReadyLane {
  readonly name: LaneName;
  /** Tells it from an earlier lane of the same name. */
  readonly made: number;
  readonly #headSize: number;
  readonly #members = new Map<string, Member>();
  #cutoff: OrderPlace | undefined;
  #isComplete: boolean;
  #count: number;
  #waiting = 0;
  #changes = 0;
  #meanwhile: Meanwhile | undefined;

  constructor(name: LaneName, { headSize, made, stored }: LaneOptions) {
    this.name = name;
    this.made = made;
    this.#headSize = headSize;
    this.#isComplete = stored === undefined;
    this.#count = stored ?? 0;
  }

  /** Ready tasks of the lane, wherever they are. */
  get size(): number {
    return this.#isComplete ? this.#members.size : Math.max(this.#count, this.#members.size);
  }

  /** In memory and offered. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Grows with everything that changes its size. */
  get changes(): number {
    return this.#changes;
  }

  /** All of it is in memory. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Nothing is known to be left of it, here or in the store. */
  get isEmpty(): boolean {
    return this.#isComplete && this.#members.size === 0 && this.#meanwhile === undefined;
  }

  get isReading(): boolean {
    return this.#meanwhile !== undefined;
  }

  get needsPage(): boolean {
    return !this.#isComplete && this.#meanwhile === undefined && this.waiting < this.#headSize / 4;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  isInHand(key: string): boolean {
    return this.#members.get(key)?.state === 'in hand';
  }

  /** The store has it, behind everything that is in memory. */
  isBehind(place: OrderPlace): boolean {
    return !this.#isInside(place);
  }

  stateOf(key: string): Member['state'] | undefined {
    return this.#members.get(key)?.state;
  }

  /** The store says how many there are. */
  recount(stored: number): void {
    this.#count = stored;
    this.#changes += 1;
  }

  isPrepared(key: string): boolean {
    return this.#members.get(key)?.isPrepared ?? false;
  }

  /** A task became ready. `rests`: it is not offered before `rested`. */
  offer(entry: ReadyEntry, rests = false): LaneChange {
    if (!this.#members.has(entry.key)) this.#count += 1;
    this.#changes += 1;
    return this.#place(entry, rests);
  }

  /** A task is ready no more. True when it was in memory. */
  left(key: string): boolean {
    this.#count = Math.max(0, this.#count - 1);
    this.#changes += 1;
    return this.#forget(key);
  }

  /** A ready task has another place. */
  moved(entry: ReadyEntry): LaneChange {
    const before = this.#members.get(entry.key);
    if (before && before.state !== 'waiting') {
      // Its place counts again when it is given back.
      before.entry = entry;
      return unchanged;
    }
    this.#forget(entry.key);
    const { added, dropped } = this.#place(entry, false);
    return { added, dropped: before ? [before.entry, ...dropped] : dropped };
  }

  /** Somebody works on it. */
  take(key: string): void {
    const member = this.#members.get(key);
    if (member?.state !== 'waiting') return;
    this.#enter(member, 'in hand');
  }

  /** Whoever works on it leaves it alone for a while. */
  rest(key: string): void {
    const member = this.#members.get(key);
    if (member?.state === 'in hand') member.state = 'resting';
  }

  /** Whoever worked on it gives it back. Undefined when it is the store's to say by now when it is offered. */
  again(key: string, isPrepared: boolean): ReadyEntry | undefined {
    const member = this.#members.get(key);
    if (member?.state !== 'in hand') return undefined;
    member.isPrepared ||= isPrepared;
    return this.#giveBack(member);
  }

  /** It has been left alone long enough. */
  rested(key: string): ReadyEntry | undefined {
    const member = this.#members.get(key);
    return member?.state === 'resting' ? this.#giveBack(member) : undefined;
  }

  /** Its row says that it is ready no more, although nobody told. */
  gone(key: string): void {
    this.#forget(key);
  }

  /** A page is about to be read; answers what it begins behind. */
  beginPage(): OrderPlace | undefined {
    this.#meanwhile = { after: this.#cutoff, touched: new Set(), offered: new Map(), limit: undefined };
    return this.#cutoff;
  }

  /** It could not be read. What was offered meanwhile is in the store. */
  abandonPage(): void {
    this.#meanwhile = undefined;
  }

  /** `isReady`: whether memory agrees with the row, as far as it knows. */
  endPage(page: readonly ReadyEntry[], isReady: (entry: ReadyEntry) => boolean): LaneChange {
    const meanwhile = this.#meanwhile;
    this.#meanwhile = undefined;
    // The head was cut while the page was read: between the two would be a gap.
    if (!meanwhile || this.#isComplete || meanwhile.after !== this.#cutoff) return unchanged;
    this.#advance(page, meanwhile.limit);
    const { touched, offered } = meanwhile;
    const found = page.filter((entry) => !touched.has(entry.key) && isReady(entry));
    const added = [...found, ...offered.values()].filter(
      (entry) => this.#isInside(entry) && !this.#members.has(entry.key),
    );
    for (const entry of added) this.#add(entry, 'waiting');
    if (this.#isComplete) this.#count = this.#members.size;
    return { added, dropped: this.#trim() };
  }

  /** How far memory knows everything now. A page that is not full is the last. */
  #advance(page: readonly ReadyEntry[], limit: OrderPlace | undefined): void {
    const last = page.length < this.#headSize ? undefined : page.at(-1);
    const ends = [last, limit].filter((place) => place !== undefined).sort(compareReady);
    this.#isComplete = ends.length === 0;
    this.#cutoff = ends[0];
  }

  #giveBack(member: Member): ReadyEntry | undefined {
    const { entry } = member;
    if (this.#isInside(entry)) {
      this.#enter(member, 'waiting');
      return entry;
    }
    this.#members.delete(entry.key);
    this.#keepAside(entry);
    return undefined;
  }

  #place(entry: ReadyEntry, rests: boolean): LaneChange {
    if (this.#members.has(entry.key)) return unchanged;
    if (!this.#isInside(entry)) {
      this.#keepAside(entry);
      return unchanged;
    }
    this.#meanwhile?.touched.add(entry.key);
    this.#add(entry, rests ? 'resting' : 'waiting');
    return { added: rests ? [] : [entry], dropped: this.#trim() };
  }

  #add(entry: ReadyEntry, state: Member['state']): void {
    this.#members.set(entry.key, { entry, state, isPrepared: false });
    if (state === 'waiting') this.#waiting += 1;
  }

  #enter(member: Member, state: 'waiting' | 'in hand'): void {
    this.#waiting += state === 'waiting' ? 1 : -1;
    member.state = state;
  }

  #keepAside(entry: ReadyEntry): void {
    const meanwhile = this.#meanwhile;
    if (!meanwhile) return;
    meanwhile.touched.add(entry.key);
    if (meanwhile.limit && compareReady(entry, meanwhile.limit) > 0) return;
    meanwhile.offered.set(entry.key, entry);
    if (meanwhile.offered.size <= 2 * this.#headSize) return;
    const sorted = [...meanwhile.offered.values()].sort(compareReady);
    for (const { key } of sorted.slice(this.#headSize)) meanwhile.offered.delete(key);
    meanwhile.limit = sorted[this.#headSize - 1];
  }

  #forget(key: string): boolean {
    this.#meanwhile?.touched.add(key);
    this.#meanwhile?.offered.delete(key);
    const member = this.#members.get(key);
    if (!member) return false;
    this.#members.delete(key);
    if (member.state === 'waiting') this.#waiting -= 1;
    return true;
  }

  #isInside(place: OrderPlace): boolean {
    return this.#isComplete || (this.#cutoff !== undefined && compareReady(place, this.#cutoff) <= 0);
  }

  /** Keeps the first `headSize` when there are more than twice as many. */
  #trim(): readonly ReadyEntry[] {
    if (this.waiting <= 2 * this.#headSize) return [];
    const sorted = [...this.#members.values()].flatMap(({ entry, state }) => (state === 'waiting' ? [entry] : []));
    sorted.sort(compareReady);
    const dropped = sorted.slice(this.#headSize);
    for (const { key } of dropped) this.#members.delete(key);
    this.#waiting = this.#headSize;
    this.#cutoff = sorted[this.#headSize - 1];
    this.#isComplete = false;
    return dropped;
  }
}
