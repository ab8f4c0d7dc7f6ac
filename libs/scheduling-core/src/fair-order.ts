/**
 * The order in which ready tasks are offered. Between organisations: start-time fair queueing with equal weights, so one
 * with 10,000 tasks does not delay one with a single task. Inside an organisation: priority bands with ageing, as one
 * static rank per task (`readyAt - band * ageingMs`, smaller first), so waiting needs no updates. Ties: FIFO, then id.
 *
 * Tasks are grouped by what they need (`group`), so blocked work never hides runnable work and a pick looks at heap heads
 * only, never at every task.
 */
import { Heap } from './heap.js';

export interface ReadyTask {
  /** Unique: run, task and item. */
  readonly key: string;
  readonly organisation: string;
  /** What it needs; tasks of one group can be served by the same agents. */
  readonly group: string;
  /** 0-9. */
  readonly priority: number;
  /** Milliseconds since the epoch. */
  readonly readyAtMs: number;
}

interface Queue<T extends ReadyTask> {
  readonly name: string;
  /** Virtual start time of its next task. */
  virtualTime: number;
  readonly groups: Map<string, Heap<T>>;
  size: number;
  waiting: boolean;
}

export const defaultAgeingMs = 30_000;

/** Negative when `a` goes first inside one organisation. */
export function compareReady(a: ReadyTask, b: ReadyTask, ageingMs: number): number {
  const rank = a.readyAtMs - a.priority * ageingMs - (b.readyAtMs - b.priority * ageingMs);
  if (rank !== 0) return rank;
  if (a.readyAtMs !== b.readyAtMs) return a.readyAtMs - b.readyAtMs;
  return a.key < b.key ? -1 : Number(a.key > b.key);
}

export class FairOrder<T extends ReadyTask> {
  readonly #ageingMs: number;
  readonly #tasks = new Map<string, T>();
  readonly #queues = new Map<string, Queue<T>>();
  readonly #order = new Heap<Queue<T>>(
    (a, b) => a.virtualTime - b.virtualTime || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  #virtualTime = 0;

  constructor(options: { readonly ageingMs?: number } = {}) {
    this.#ageingMs = options.ageingMs ?? defaultAgeingMs;
  }

  get size(): number {
    return this.#tasks.size;
  }

  has(key: string): boolean {
    return this.#tasks.has(key);
  }

  /** Groups that have a task now. */
  groups(): Set<string> {
    const groups = new Set<string>();
    for (const queue of this.#queues.values()) for (const group of queue.groups.keys()) groups.add(group);
    return groups;
  }

  /** Adds a task; one that is already in place stays where it is. */
  add(task: T): void {
    if (this.#tasks.has(task.key)) return;
    this.#tasks.set(task.key, task);
    const queue = this.#queueOf(task.organisation);
    let heap = queue.groups.get(task.group);
    if (!heap) queue.groups.set(task.group, (heap = new Heap((a, b) => compareReady(a, b, this.#ageingMs))));
    heap.push(task);
    queue.size += 1;
  }

  /** Takes a task out of order, for example because its run was cancelled. */
  remove(key: string): void {
    const task = this.#tasks.get(key);
    if (!task) return;
    this.#tasks.delete(key);
    this.#forget(task.organisation);
  }

  /**
   * Takes tasks in order while `canRun` allows their group; `canRun` is asked again before each, since every task taken
   * uses capacity. Capacity only shrinks during one call.
   */
  take(limit: number, canRun: (group: string) => boolean, onTake: (task: T) => void): number {
    const aside: Queue<T>[] = [];
    let taken = 0;
    while (taken < limit) {
      const queue = this.#order.pop();
      if (!queue) break;
      queue.waiting = false;
      const task = queue.size === 0 ? undefined : this.#best(queue, canRun);
      if (!task) {
        if (queue.size > 0) aside.push(queue);
        continue;
      }
      this.#charge(queue, task);
      taken += 1;
      onTake(task);
    }
    // Who could not run for want of an agent of its own kind saves up no turns meanwhile.
    for (const queue of aside) {
      queue.virtualTime = Math.max(queue.virtualTime, this.#virtualTime);
      this.#enqueue(queue);
    }
    return taken;
  }

  #best(queue: Queue<T>, canRun: (group: string) => boolean): T | undefined {
    let best: T | undefined;
    for (const [group, heap] of queue.groups) {
      const head = this.#head(heap);
      if (!head) queue.groups.delete(group);
      else if (canRun(group) && (!best || compareReady(head, best, this.#ageingMs) < 0)) best = head;
    }
    return best;
  }

  /** The first live task of a heap; removed ones are dropped on the way. */
  #head(heap: Heap<T>): T | undefined {
    for (let head = heap.peek(); head !== undefined; head = heap.peek()) {
      if (this.#tasks.get(head.key) === head) return head;
      heap.pop();
    }
    return undefined;
  }

  #charge(queue: Queue<T>, task: T): void {
    queue.groups.get(task.group)?.pop();
    this.#tasks.delete(task.key);
    queue.size -= 1;
    this.#virtualTime = Math.max(this.#virtualTime, queue.virtualTime);
    queue.virtualTime += 1;
    this.#enqueue(queue);
  }

  #queueOf(organisation: string): Queue<T> {
    let queue = this.#queues.get(organisation);
    if (!queue) {
      queue = { name: organisation, virtualTime: this.#virtualTime, groups: new Map(), size: 0, waiting: false };
      this.#queues.set(organisation, queue);
    }
    // Idle time earns no credit: who comes back starts where the others are.
    if (queue.size === 0 && !queue.waiting) queue.virtualTime = Math.max(queue.virtualTime, this.#virtualTime);
    this.#enqueue(queue);
    return queue;
  }

  #enqueue(queue: Queue<T>): void {
    if (queue.waiting) return;
    queue.waiting = true;
    this.#order.push(queue);
  }

  #forget(organisation: string): void {
    const queue = this.#queues.get(organisation);
    if (queue) queue.size -= 1;
  }
}
