/**
 * Limits, shares and pauses at work: the stored scopes, who has how much in flight, and what the ready order may offer.
 * A scope without room is closed in the order before the pick and opened again by a release, a token, or a change. In
 * flight follows the credits, which are rebuilt from rows; token buckets are in memory and start full after a restart.
 */
import {
  capabilityName,
  defaultShare,
  noRule,
  ScopeBook,
  scopeKey,
  scopesOf,
  Throughput,
  type FairOrder,
  type Obstacle,
  type ScopeName,
  type Scoped,
} from '@cogmesh/scheduling-core';
import type { SqlLimits, StoredScope } from '../adapters/sql-limits.js';
import type { ReadyEntry } from '../model/rows.js';
import { Lane } from './lane.js';

export interface LimitsOptions {
  readonly sql: SqlLimits;
  readonly order: FairOrder<ReadyEntry>;
  /** Something may be offered that was not before. */
  readonly onOpen: () => void;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

/** What keeps a task from starting. */
export interface Blocked {
  readonly scope: ScopeName;
  readonly obstacle: Obstacle;
}

export class Limits {
  readonly #options: LimitsOptions;
  readonly #book: ScopeBook;
  readonly #starts: Throughput;
  /** Changes one after the other, so that memory ends as the database does. */
  readonly #lane = new Lane();
  #stored = new Map<string, StoredScope>();
  #timer: NodeJS.Timeout | undefined;
  #hasClosed = false;

  constructor(options: LimitsOptions) {
    const { order, nowMs } = options;
    this.#options = options;
    this.#starts = new Throughput(nowMs);
    this.#book = new ScopeBook({
      nowMs,
      onOpen: (scope) => {
        order.open(scope);
        options.onOpen();
      },
      onClose: (scope) => {
        order.close(scope);
        this.#hasClosed = true;
      },
    });
  }

  /** Replaces what is known by what is stored. */
  load(): Promise<void> {
    return this.#lane.run(async () => {
      const stored = new Map((await this.#options.sql.all()).map((scope) => [scopeKey(scope), scope]));
      for (const [key, scope] of this.#stored) if (!stored.has(key)) this.#apply(key, scope, false);
      for (const [key, scope] of stored) this.#apply(key, scope, true);
      this.#stored = stored;
    });
  }

  /** Stores a scope; it holds from then on. */
  put(scope: StoredScope, changedBy: string): Promise<void> {
    return this.#lane.run(async () => {
      await this.#options.sql.save(scope, changedBy);
      this.#stored.set(scopeKey(scope), scope);
      this.#apply(scopeKey(scope), scope, true);
    });
  }

  stored(): Iterable<StoredScope> {
    return this.#stored.values();
  }

  find(scope: ScopeName): StoredScope | undefined {
    return this.#stored.get(scopeKey(scope));
  }

  inFlight(scope: ScopeName): number {
    return this.#book.inFlight(scopeKey(scope));
  }

  /** What keeps the task from starting, a pause before anything else; undefined when every scope has room. */
  blocks(task: Scoped): Blocked | undefined {
    const names = namesOf(task);
    const blocked = scopesOf(task).flatMap((key, index): Blocked[] => {
      const [obstacle, scope] = [this.#book.obstacle(key), names[index]];
      return obstacle && scope ? [{ scope, obstacle }] : [];
    });
    return blocked.find(({ obstacle }) => obstacle.reason === 'paused') ?? blocked[0];
  }

  /** Recent starts of an organisation; 0 when nothing is known. */
  startsPerSecond(organisation: string): number {
    return this.#starts.perSecond(organisation);
  }

  /** An attempt is about to start. */
  hold(attemptId: string, task: Scoped): void {
    this.#book.hold(attemptId, scopesOf(task));
    this.#starts.note(task.organisation);
    if (this.#hasClosed) this.#refill();
  }

  /** An attempt that the rows say is held. */
  restore(attemptId: string, task: Scoped): void {
    this.#book.restore(attemptId, scopesOf(task));
  }

  release(attemptId: string): void {
    this.#book.release(attemptId);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #apply(key: string, { kind, name, limits, paused }: StoredScope, isStored: boolean): void {
    const { maxInFlight, ratePerSecond, burst, weight, serviceClass } = limits;
    this.#book.put(key, isStored ? { maxInFlight, ratePerSecond, burst, paused } : noRule);
    if (kind === 'organisation') {
      this.#options.order.grant(name, isStored ? { weight: Math.max(1, weight), serviceClass } : defaultShare);
    }
    this.#refill();
  }

  /** Opens what has a token again, and comes back for the next. */
  #refill(): void {
    this.#hasClosed = false;
    clearTimeout(this.#timer);
    const inMs = this.#book.refill();
    if (inMs === undefined) return;
    this.#timer = setTimeout(() => this.#refill(), Math.min(inMs, maxTimerMs));
    this.#timer.unref();
  }
}

const maxTimerMs = 60_000;

/** In the order of `scopesOf`. */
function namesOf({ organisation, group, concurrencyGroup }: Scoped): ScopeName[] {
  const wide: ScopeName[] = [
    { kind: 'organisation', organisation, name: organisation },
    { kind: 'capability', organisation: '', name: capabilityName(group) },
  ];
  return concurrencyGroup === undefined ? wide : [{ kind: 'group', organisation, name: concurrencyGroup }, ...wide];
}
