/**
 * Times of rows in memory, soonest first. An alarm is never taken out when its row changes or leaves memory: it is asked
 * when it comes up, and swept out when such ones may outnumber the others.
 */
import { Heap } from '../heap.js';
import type { Residents } from './residents.js';
import type { RunRow, TaskRow } from './rows.js';

export type Timed = TaskRow | RunRow;

interface Alarm {
  readonly at: number;
  readonly row: Timed;
}

/** Alarms below which nothing is swept. */
const tolerated = 1_024;

export const isTask = (row: Timed): row is TaskRow => 'taskId' in row;
export const runIdOf = (row: Timed): string => (isTask(row) ? row.runId : row.id);

export class Alarms {
  readonly #residents: Residents;
  #heap = new Heap<Alarm>((a, b) => a.at - b.at);
  /** The newest alarm's time of each row, so that it is set once. */
  #set = new WeakMap<Timed, number>();
  #sweepAt = tolerated;
  #evicted = 0;

  constructor(residents: Residents) {
    this.#residents = residents;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** When the soonest comes up, milliseconds since the epoch; it may turn out to be none. */
  get soonest(): number | undefined {
    return this.#heap.peek()?.at;
  }

  clear(): void {
    this.#heap = new Heap((a, b) => a.at - b.at);
    this.#set = new WeakMap();
    this.#sweepAt = tolerated;
    this.#evicted = 0;
  }

  /** At the row's `dueAt`; nothing when it has none. */
  set(row: Timed): void {
    const at = row.dueAt;
    if (at === null || this.#set.get(row) === at) return;
    this.#set.set(row, at);
    this.#heap.push({ at, row });
    if (this.#heap.size > this.#sweepAt) this.#sweep();
  }

  /** At the time that the row has now. */
  isSet(row: Timed): boolean {
    return this.#set.get(row) === row.dueAt;
  }

  /** So many rows have left memory. */
  left(rows: number): void {
    this.#evicted += rows;
    if (this.#evicted > Math.max(tolerated, this.#heap.size / 2)) this.#sweep();
  }

  /** Takes out up to `most` rows whose time has come. */
  take(now: number, most: number): Timed[] {
    const due: Timed[] = [];
    for (let top = this.#heap.peek(); top && top.at <= now && due.length < most; top = this.#heap.peek()) {
      this.#heap.pop();
      const isLive = this.#isLive(top);
      this.#forget(top);
      if (isLive) due.push(top.row);
    }
    return due;
  }

  #isLive({ at, row }: Alarm): boolean {
    const run = this.#residents.get(runIdOf(row));
    const inMemory = isTask(row) ? run?.task(row.taskId, row.itemIndex) : run?.row;
    return inMemory === row && row.dueAt === at;
  }

  #forget({ at, row }: Alarm): void {
    if (this.#set.get(row) === at) this.#set.delete(row);
  }

  #sweep(): void {
    this.#heap.keep((alarm) => {
      const isLive = this.#isLive(alarm);
      if (!isLive) this.#forget(alarm);
      return isLive;
    });
    this.#sweepAt = Math.max(tolerated, 2 * this.#heap.size);
    this.#evicted = 0;
  }
}
