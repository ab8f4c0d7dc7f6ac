/**
 * Limits, shares and pauses at work: the stored scopes, who has how much in flight, and what the ready order may offer.
 * A scope without room is closed in the order before the pick and opened again by a release, a token, or a change. In
 * flight follows the credits, which are rebuilt from rows; token buckets are in memory and start full after a restart. Where
 * several replicas share what is global, each keeps to its slice.
 */
import { defaultShare, type FairOrder } from '../fair-order.js';
import { noRule, ScopeBook, type Obstacle, type ScopeRule } from '../scope-book.js';
import { capabilityName, scopeKey, scopesOf, type Scoped, type ScopeName } from '../scope-keys.js';
import { Throughput } from '../throughput.js';
import { wholeSlices, type LimitStore, type Slices, type StoredScope } from './dispatch-ports.js';
import type { Clock } from './ports.js';
import type { ReadyEntry } from './rows.js';

export interface LimitsOptions {
  readonly store: LimitStore;
  readonly order: FairOrder<ReadyEntry>;
  /** Something may be offered that was not before. */
  readonly onOpen: () => void;
  readonly clock: Clock;
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
  /** Changes one after the other, so that memory ends as the store does. */
  #lastChange: Promise<unknown> = Promise.resolve();
  #stored = new Map<string, StoredScope>();
  #slices = wholeSlices;
  #cancelTimer: () => void = () => undefined;
  #hasClosed = false;

  constructor(options: LimitsOptions) {
    const { order, clock } = options;
    const nowMs = (): number => clock.now();
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
    return this.#inTurn(async () => {
      const stored = new Map((await this.#options.store.all()).map((scope) => [scopeKey(scope), scope]));
      for (const [key, scope] of this.#stored) if (!stored.has(key)) this.#apply(key, scope, false);
      for (const [key, scope] of stored) this.#apply(key, scope, true);
      this.#stored = stored;
    });
  }

  /** Stores a scope; it holds from then on. */
  put(scope: StoredScope, changedBy: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#options.store.save(scope, changedBy);
      this.#stored.set(scopeKey(scope), scope);
      this.#apply(scopeKey(scope), scope, true);
    });
  }

  /** From now on this replica uses only its part of what is global. Called again whenever the parts change. */
  setSlices(slices: Slices): void {
    this.#slices = slices;
    for (const [key, scope] of this.#stored) this.#apply(key, scope, true);
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
    this.#cancelTimer();
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#lastChange.then(change);
    this.#lastChange = changed.catch(() => undefined);
    return changed;
  }

  #apply(key: string, scope: StoredScope, isStored: boolean): void {
    const { kind, name, limits } = scope;
    const { weight, serviceClass } = limits;
    this.#book.put(key, isStored ? this.#ruleOf(key, scope) : noRule);
    if (kind === 'organisation') {
      const share = { weight: Math.max(1, weight) * (this.#slices.share?.(name) ?? 1), serviceClass };
      this.#options.order.grant(name, isStored ? share : defaultShare);
    }
    this.#refill();
  }

  #ruleOf(key: string, { limits, paused }: StoredScope): ScopeRule {
    const { maxInFlight, ratePerSecond, burst } = limits;
    const here = {
      maxInFlight: maxInFlight === 0 ? 0 : this.#slices.inFlight(key, maxInFlight),
      ratePerSecond: ratePerSecond === 0 ? 0 : this.#slices.rate(key, ratePerSecond),
    };
    return { maxInFlight, ratePerSecond, burst, paused, here };
  }

  /** Opens what has a token again, and comes back for the next. */
  #refill(): void {
    this.#hasClosed = false;
    this.#cancelTimer();
    const inMs = this.#book.refill();
    if (inMs === undefined) return;
    this.#cancelTimer = this.#options.clock.after(Math.min(inMs, maxTimerMs), () => this.#refill());
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
