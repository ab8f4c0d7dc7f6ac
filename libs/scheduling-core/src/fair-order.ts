/**
 * The order in which ready tasks are offered. Service classes first: a higher one is served before every lower one. In a
 * class, between organisations: start-time fair queueing by weight, so one with 10,000 tasks does not delay one with a
 * single task. Inside an organisation: priority bands with ageing, as one static rank per task (`readyAt - band * ageingMs`,
 * smaller first), so waiting needs no updates. Ties: by run, task and item, exactly as the store orders a page.
 *
 * Limits come before the pick: what is in a closed scope is parked, is not considered and hides nobody. Tasks are kept by
 * what they need (`group`) and by concurrency group, so a pick looks at heap heads only, never at every task.
 */
import { Heap } from './heap.js';
import { capabilityScope, groupScope, organisationScope, scopeNameOf } from './scope-keys.js';
import { WaitingLane } from './waiting-lane.js';

/** Where a task stands inside its organisation. */
export interface ReadyPlace {
  /** `readyAt - priority * ageingMs`; smaller goes first. */
  readonly rank: number;
  readonly runId: string;
  readonly taskId: string;
  readonly itemIndex: number;
}

export interface ReadyTask extends ReadyPlace {
  /** Unique: run, task and item. */
  readonly key: string;
  readonly organisation: string;
  /** What it needs; tasks of one group can be served by the same agents. */
  readonly group: string;
  /** Concurrency group of its organisation. */
  readonly concurrencyGroup?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly readyAtMs: number;
}

/** What an organisation was granted. */
export interface Share {
  /** Of the turns in its class, relative to the others; above 0. */
  readonly weight: number;
  /** Higher ones are served first. */
  readonly serviceClass: number;
}

/** Tasks that could start now if an agent had room. */
export interface Waiting {
  readonly queued: number;
  /** Milliseconds since the epoch. */
  readonly readyAtMs: number;
}

const nothing = { size: 0, readyAtMs: Infinity };

interface Lane<T extends ReadyTask> {
  readonly scope: string;
  readonly tasks: WaitingLane<T>;
}

interface Queue<T extends ReadyTask> {
  readonly name: string;
  share: Share;
  /** Virtual start time of its next task. */
  virtualTime: number;
  readonly lanes: Map<string, Lane<T>>;
  size: number;
  waiting: boolean;
}

/** The organisations of one service class. */
interface Turns<T extends ReadyTask> {
  readonly serviceClass: number;
  readonly queues: Heap<Queue<T>>;
  virtualTime: number;
}

interface Picking<T extends ReadyTask> {
  readonly limit: number;
  readonly canRun: (group: string) => boolean;
  readonly onTake: (task: T) => void;
}

export const defaultAgeingMs = 30_000;
export const defaultShare: Share = { weight: 1, serviceClass: 0 };

/** Negative when `a` goes first inside one organisation. Texts by their code units, as a store compares bytes. */
export function compareReady(a: ReadyPlace, b: ReadyPlace): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.runId !== b.runId) return a.runId < b.runId ? -1 : 1;
  if (a.taskId !== b.taskId) return a.taskId < b.taskId ? -1 : 1;
  return a.itemIndex - b.itemIndex;
}

export class FairOrder<T extends ReadyTask> {
  readonly #tasks = new Map<string, T>();
  readonly #queues = new Map<string, Queue<T>>();
  /** Highest class first. */
  readonly #classes: Turns<T>[] = [];
  readonly #closed = new Set<string>();

  get size(): number {
    return this.#tasks.size;
  }

  has(key: string): boolean {
    return this.#tasks.has(key);
  }

  /** Adds a task; one that is already in place stays where it is. */
  add(task: T): void {
    if (this.#tasks.has(task.key)) return;
    this.#tasks.set(task.key, task);
    const queue = this.#queueOf(task.organisation);
    this.#laneOf(queue, task.group).tasks.add(task);
    queue.size += 1;
    this.#rejoin(queue);
  }

  /** Takes a task out of order, for example because its run was cancelled. */
  remove(key: string): void {
    const task = this.#tasks.get(key);
    if (task) this.#forget(task);
  }

  /** Every task; shares, turns taken and closed scopes stay. */
  clear(): void {
    this.#tasks.clear();
    for (const queue of this.#queues.values()) {
      queue.lanes.clear();
      queue.size = 0;
    }
  }

  /** From now on; turns that were taken are not reckoned anew. */
  grant(organisation: string, share: Share): void {
    const queue = this.#queueOf(organisation);
    const before = queue.share;
    queue.share = share;
    if (before.serviceClass === share.serviceClass) return;
    this.#turnsOf(before.serviceClass).queues.keep((other) => other !== queue);
    queue.waiting = false;
    queue.virtualTime = -Infinity;
    this.#rejoin(queue);
  }

  /** Nothing of the scope is offered until it is opened. */
  close(scope: string): void {
    this.#closed.add(scope);
  }

  open(scope: string): void {
    if (!this.#closed.delete(scope)) return;
    const { kind, organisation, name } = scopeNameOf(scope);
    const queue = this.#queues.get(organisation);
    if (!queue || kind === 'capability') return;
    if (kind === 'group') for (const { tasks } of queue.lanes.values()) tasks.open(name);
    else this.#rejoin(queue);
  }

  /**
   * What waits for agents alone, by what it needs: how many tasks, and when the longest waiting of those next in line became
   * ready. What a limit or a pause holds back is left out. Looks at heads only.
   */
  waiting(): Map<string, Waiting> {
    const waiting = new Map<string, Waiting>();
    for (const queue of this.#queues.values()) {
      if (queue.size === 0 || this.#closed.has(organisationScope(queue.name))) continue;
      for (const [group, lane] of queue.lanes) {
        const { size, readyAtMs } = this.#closed.has(lane.scope) ? nothing : lane.tasks.standing();
        const before = waiting.get(group) ?? { queued: 0, readyAtMs: Infinity };
        if (size === 0) continue;
        waiting.set(group, { queued: before.queued + size, readyAtMs: Math.min(before.readyAtMs, readyAtMs) });
      }
    }
    return waiting;
  }

  /** Place of a task among its organisation's, from 1, or `most + 1` beyond; undefined when it does not wait here. */
  position(key: string, most: number): number | undefined {
    const task = this.#tasks.get(key);
    if (!task) return undefined;
    let before = 0;
    for (const { tasks } of this.#queues.get(task.organisation)?.lanes.values() ?? []) {
      before += tasks.countBefore(task, most - before);
    }
    return before + 1;
  }

  /**
   * Takes tasks in order while `canRun` allows their group; `canRun` is asked again before each, since every task taken
   * uses capacity. Capacity only shrinks during one call; `onTake` may close scopes.
   */
  take(limit: number, canRun: (group: string) => boolean, onTake: (task: T) => void): number {
    let taken = 0;
    for (const turns of this.#classes) {
      if (taken >= limit) break;
      taken += this.#takeFrom(turns, { limit: limit - taken, canRun, onTake });
    }
    return taken;
  }

  #takeFrom(turns: Turns<T>, { limit, canRun, onTake }: Picking<T>): number {
    const aside: Queue<T>[] = [];
    let taken = 0;
    while (taken < limit) {
      const queue = turns.queues.pop();
      if (!queue) break;
      queue.waiting = false;
      if (!this.#isPresent(queue)) continue;
      const task = this.#best(queue, canRun);
      if (!task) {
        aside.push(queue);
        continue;
      }
      this.#charge(queue, turns);
      this.#forget(task);
      taken += 1;
      onTake(task);
    }
    // Who could not run for want of an agent or of room under a limit saves up no turns meanwhile.
    for (const queue of aside) this.#rejoin(queue);
    return taken;
  }

  #best(queue: Queue<T>, canRun: (group: string) => boolean): T | undefined {
    let best: T | undefined;
    for (const [group, lane] of queue.lanes) {
      if (lane.tasks.size === 0) queue.lanes.delete(group);
      if (lane.tasks.size === 0 || this.#closed.has(lane.scope) || !canRun(group)) continue;
      const head = lane.tasks.head();
      if (head && (!best || compareReady(head, best) < 0)) best = head;
    }
    return best;
  }

  /** It keeps its turn in the order even when this was its last task, so that who sends one at a time gains nothing. */
  #charge(queue: Queue<T>, turns: Turns<T>): void {
    turns.virtualTime = Math.max(turns.virtualTime, queue.virtualTime);
    queue.virtualTime += 1 / queue.share.weight;
    queue.waiting = true;
    turns.queues.push(queue);
  }

  #queueOf(organisation: string): Queue<T> {
    let queue = this.#queues.get(organisation);
    if (!queue) {
      queue = {
        name: organisation,
        share: defaultShare,
        virtualTime: -Infinity,
        lanes: new Map(),
        size: 0,
        waiting: false,
      };
      this.#queues.set(organisation, queue);
    }
    return queue;
  }

  #laneOf(queue: Queue<T>, group: string): Lane<T> {
    let lane = queue.lanes.get(group);
    if (!lane) {
      const tasks = new WaitingLane<T>({
        compare: compareReady,
        isLive: (task) => this.#tasks.get(task.key) === task,
        isClosed: (name) => this.#closed.has(groupScope(queue.name, name)),
      });
      queue.lanes.set(group, (lane = { scope: capabilityScope(group), tasks }));
    }
    return lane;
  }

  #turnsOf(serviceClass: number): Turns<T> {
    const known = this.#classes.find((turns) => turns.serviceClass === serviceClass);
    if (known) return known;
    const queues = new Heap<Queue<T>>(
      (a, b) => a.virtualTime - b.virtualTime || (a.name < b.name ? -1 : Number(a.name > b.name)),
    );
    const turns = { serviceClass, queues, virtualTime: 0 };
    this.#classes.push(turns);
    this.#classes.sort((a, b) => b.serviceClass - a.serviceClass);
    return turns;
  }

  /**
   * Idle time earns no credit: who is new, or comes back after its turn has passed, starts where the first of the others
   * is. Who was gone for less than a turn keeps its own, or the heavier ones would lose a part of their share.
   */
  #rejoin(queue: Queue<T>): void {
    if (queue.waiting || !this.#isPresent(queue)) return;
    const turns = this.#turnsOf(queue.share.serviceClass);
    if (queue.virtualTime < turns.virtualTime) queue.virtualTime = this.#minimumOf(turns);
    queue.waiting = true;
    turns.queues.push(queue);
  }

  /** Virtual start time of who waits and would be next. */
  #minimumOf(turns: Turns<T>): number {
    for (let first = turns.queues.peek(); first !== undefined; first = turns.queues.peek()) {
      if (this.#isPresent(first)) return first.virtualTime;
      turns.queues.pop();
      first.waiting = false;
    }
    return turns.virtualTime;
  }

  #isPresent({ size, name }: Queue<T>): boolean {
    return size > 0 && !this.#closed.has(organisationScope(name));
  }

  #forget(task: T): void {
    this.#tasks.delete(task.key);
    const queue = this.#queues.get(task.organisation);
    if (!queue) return;
    queue.size -= 1;
    queue.lanes.get(task.group)?.tasks.remove(task);
  }
}
