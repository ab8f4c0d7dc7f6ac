/**
 * One organisation's tasks that need the same thing, in order. Inside, one heap per concurrency group, and a heap of their
 * heads: tasks of a group without room are passed over in a step, whatever their number, and cost nothing while they wait.
 * Removed tasks stay in the heaps until they surface or outnumber the live ones.
 */
import { Heap } from './heap.js';

interface Head<T> {
  readonly bucket: Bucket<T>;
  readonly task: T;
}

interface Bucket<T> {
  readonly name: string | undefined;
  readonly tasks: Heap<T>;
  live: number;
  /** Its only valid entry among the heads; a head that is not this one is out of date. */
  head: Head<T> | undefined;
}

export interface WaitingLaneOptions<T> {
  readonly compare: (a: T, b: T) => number;
  readonly isLive: (task: T) => boolean;
  /** Whether the concurrency group may start nothing now. */
  readonly isClosed: (group: string) => boolean;
}

/** Dead tasks that may lie in a heap beside as many live ones. */
const tolerated = 64;

export class WaitingLane<T extends { readonly concurrencyGroup?: string | undefined; readonly readyAtMs: number }> {
  readonly #options: WaitingLaneOptions<T>;
  readonly #buckets = new Map<string | undefined, Bucket<T>>();
  readonly #heads: Heap<Head<T>>;
  size = 0;

  constructor(options: WaitingLaneOptions<T>) {
    this.#options = options;
    this.#heads = new Heap((a, b) => options.compare(a.task, b.task));
  }

  add(task: T): void {
    const bucket = this.#bucketOf(task);
    bucket.tasks.push(task);
    bucket.live += 1;
    this.size += 1;
    if (!bucket.head || this.#options.compare(task, bucket.head.task) < 0) this.#place(bucket, task);
  }

  /** The next task whose group has room. */
  head(): T | undefined {
    for (let top = this.#heads.peek(); top !== undefined; top = this.#heads.peek()) {
      const { bucket } = top;
      const isCurrent = bucket.head === top;
      if (isCurrent && !this.#isClosed(bucket) && this.#firstOf(bucket) === top.task) return top.task;
      this.#heads.pop();
      if (!isCurrent) continue;
      bucket.head = undefined;
      if (!this.#isClosed(bucket)) this.#advance(bucket);
    }
    return undefined;
  }

  /** The task is no longer live; `isLive` says so already. */
  remove(task: T): void {
    const bucket = this.#bucketOf(task);
    bucket.live -= 1;
    this.size -= 1;
    if (bucket.live === 0) {
      bucket.head = undefined;
      this.#buckets.delete(bucket.name);
    } else if (bucket.tasks.size > 2 * bucket.live + tolerated) {
      bucket.tasks.keep(this.#options.isLive);
    }
  }

  /** The group has room again. */
  open(group: string): void {
    const bucket = this.#buckets.get(group);
    if (bucket && !bucket.head) this.#advance(bucket);
  }

  /** Live tasks of groups that have room, and when the longest waiting of their next ones became ready. */
  standing(): { readonly size: number; readonly readyAtMs: number } {
    let [size, readyAtMs] = [0, Infinity];
    for (const bucket of this.#buckets.values()) {
      const first = this.#isClosed(bucket) ? undefined : this.#firstOf(bucket);
      if (first === undefined) continue;
      size += bucket.live;
      readyAtMs = Math.min(readyAtMs, first.readyAtMs);
    }
    return { size, readyAtMs };
  }

  /** How many live tasks go before `task`, groups without room included; stops counting at `most`. */
  countBefore(task: T, most: number): number {
    let count = 0;
    for (const { tasks } of this.#buckets.values()) {
      for (const other of tasks.before(task)) {
        if (count >= most) return count;
        if (this.#options.isLive(other)) count += 1;
      }
    }
    return count;
  }

  #bucketOf({ concurrencyGroup: name }: T): Bucket<T> {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      bucket = { name, tasks: new Heap(this.#options.compare), live: 0, head: undefined };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #isClosed({ name }: Bucket<T>): boolean {
    return name !== undefined && this.#options.isClosed(name);
  }

  #firstOf({ tasks }: Bucket<T>): T | undefined {
    for (let first = tasks.peek(); first !== undefined; first = tasks.peek()) {
      if (this.#options.isLive(first)) return first;
      tasks.pop();
    }
    return undefined;
  }

  #advance(bucket: Bucket<T>): void {
    const first = this.#firstOf(bucket);
    if (first !== undefined) this.#place(bucket, first);
  }

  #place(bucket: Bucket<T>, task: T): void {
    bucket.head = { bucket, task };
    this.#heads.push(bucket.head);
  }
}
