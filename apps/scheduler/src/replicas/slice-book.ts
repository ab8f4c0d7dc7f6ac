/**
 * What of everything global this replica may use. Alone it is everything, and nothing is written. With others it is what
 * `scheduler_slices` says: every second each key that somebody asked for is compared with its fair part. Less is taken at
 * once, first in memory, then, when everything that was started by the old amount is stored, in the database; more only by
 * a transaction that checks the sum. So all replicas together never hold more than the whole.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { Signal } from '../engine/signal.js';
import { livingReplicas, type ReplicaView } from './plan-shards.js';
import { fairAmount } from './plan-slices.js';
import { agentKey, flightKey, isRate, queueKey, rateKey } from './slice-keys.js';
import type { ReplicaName } from './sql-replicas.js';
import type { OwnSlice, Raise, SliceRow, SqlSlices } from './sql-slices.js';

/** Time between two looks, milliseconds; sooner when a task waits that had nothing to wait for before. */
const tickMs = 1_000;
const soonMs = 20;
const atMostEveryMs = 100;
/** What does not divide goes to another after so long, milliseconds. */
const turnMs = 2_000;
/** A key counts as wanted for so long after work for it was last seen, milliseconds. */
const wantedForMs = 1_500;
/** A key that nobody asked for in so long is given back and forgotten, milliseconds. */
const forgottenAfterMs = 60_000;
/** A weight is told anew when it has changed by this part. */
const weightStep = 0.1;

export interface SliceBookOptions {
  readonly table: SqlSlices;
  readonly name: ReplicaName;
  /** Tasks of this scope (as `scopeKey` names it) may be in shards of several replicas. */
  readonly isSpread: (scope: string) => boolean;
  /** Weights of the organisations whose tasks wait, by the keys that those need. */
  readonly demand: () => ReadonlyMap<string, number>;
  /** How much of a key is in flight here. */
  readonly inUse: (key: string) => number;
  /** Undefined while this replica has no lease. */
  readonly view: () => ReplicaView | undefined;
  /** Everything decided so far is in the database. */
  readonly stored: () => Promise<void>;
  /** This replica may use more, or less. */
  readonly onChange: () => void;
  /** Others may have what this replica had. */
  readonly onFreed?: () => void;
  readonly logger: Logger;
  /** Monotonic, milliseconds. */
  readonly monotonicMs?: () => number;
}

interface Asked {
  whole: number;
  atMs: number;
}

interface Wanted {
  readonly weight: number;
  readonly atMs: number;
}

export class SliceBook {
  readonly #options: SliceBookOptions;
  readonly #monotonicMs: () => number;
  readonly #signal = new Signal();
  #isWhole = false;
  readonly #amounts = new Map<string, number>();
  readonly #asked = new Map<string, Asked>();
  #wanted = new Map<string, Wanted>();
  #told = new Map<string, number>();
  #isHandingOver = false;
  #isSoon = false;
  /** What an earlier life, or this one before a failure, holds in the database is not known. */
  #mustRecall = true;
  #lookedAtMs = -Infinity;
  #stopped = false;
  #last: Promise<unknown> = Promise.resolve();
  #loop: Promise<void> | undefined;

  constructor(options: SliceBookOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  /** Nobody else uses any of it. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Attempts at once in a scope. */
  inFlight(scope: string, whole: number): number {
    return this.#options.isSpread(scope) ? this.#part(flightKey(scope), whole) : whole;
  }

  /** Starts per second in a scope. */
  rate(scope: string, whole: number): number {
    return this.#options.isSpread(scope) ? this.#part(rateKey(scope), whole) : whole;
  }

  /** Attempts at once of one agent. */
  credits(agentId: string, capability: string, whole: number): number {
    return this.#part(agentKey(agentId, capability), whole);
  }

  /** Attempts at once in a shared queue. */
  queued(queue: string, whole: number): number {
    return this.#part(queueKey(queue), whole);
  }

  #part(key: string, whole: number): number {
    if (this.#isWhole) return whole;
    const known = this.#asked.get(key);
    if (known) Object.assign(known, { whole, atMs: this.#monotonicMs() });
    else this.#asked.set(key, { whole, atMs: this.#monotonicMs() });
    const amount = Math.min(whole, this.#amounts.get(key) ?? 0);
    // Others know already of what is told.
    if (amount === 0 && whole > 0 && !this.#told.get(key)) this.#soon();
    return amount;
  }

  /** There is work for a key that cannot start here. */
  #soon(): void {
    if (this.#isSoon || this.#stopped) return;
    this.#isSoon = true;
    const waitedMs = this.#monotonicMs() - this.#lookedAtMs;
    setTimeout(() => this.#signal.set(), Math.max(soonMs, atMostEveryMs - waitedMs)).unref();
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
  }

  /** Somebody has freed something: looks soon. */
  wake(): void {
    if (!this.#isWhole) this.#soon();
  }

  /** Shards are about to go to others: nothing global is started until `endHandOver`. */
  beginHandOver(): Promise<void> {
    this.#isHandingOver = true;
    return this.#inTurn(() => this.#giveBack());
  }

  endHandOver(): void {
    if (!this.#isHandingOver) return;
    this.#isHandingOver = false;
    this.#signal.set();
  }

  /** The lease has run out: others may count us out. */
  drop(): void {
    this.#isWhole = false;
    this.#mustRecall = true;
    this.#amounts.clear();
    this.#options.onChange();
  }

  /** One look, and what follows from it. */
  tick(): Promise<void> {
    return this.#inTurn(async () => {
      this.#lookedAtMs = this.#monotonicMs();
      try {
        await this.#look();
      } catch (thrown) {
        this.#mustRecall = true;
        throw thrown;
      }
    });
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#signal.wait(tickMs);
      this.#isSoon = false;
      if (this.#stopped) return;
      await this.tick().catch((thrown: unknown) => {
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error }, `slices are looked at again: ${error.message}`);
      });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #look(): Promise<void> {
    const view = this.#options.view();
    if (view === undefined || this.#isHandingOver) return;
    const { table, name } = this.#options;
    const living = livingReplicas(view);
    if (living.every((id) => id === name.id)) {
      if (this.#isWhole || !(await table.becomeWhole(name))) return;
      // Somebody may have come meanwhile: he waits until this replica keeps to slices again.
      this.#isWhole = true;
      this.#mustRecall = false;
      this.#amounts.clear();
      this.#told.clear();
      return this.#options.onChange();
    }
    if (this.#isWhole) await this.#giveBack();
    await this.#compare(living, Math.floor(view.now / turnMs));
  }

  /** Nothing is started any more beyond what is in flight, and the database says so. */
  async #giveBack(): Promise<void> {
    const { table, name, stored, onChange } = this.#options;
    const wasWhole = this.#isWhole;
    this.#isWhole = false;
    const held = [...this.#amounts.keys()];
    this.#amounts.clear();
    onChange();
    // What was started before counts by its rows from here on.
    await stored();
    if (wasWhole) await table.enter(name);
    else await table.lower(name, held.map((scope) => ({ scope, amount: 0, weight: this.#told.get(scope) ?? 0 }))); // prettier-ignore
  }

  async #compare(living: readonly string[], turn: number): Promise<void> {
    const { table, name, onChange } = this.#options;
    this.#notice();
    if (this.#mustRecall) await this.#recall();
    const rows = await table.read();
    const { lower, raise } = this.#plan(rows, { living, turn });
    await this.#lower(lower);
    if (this.#isHandingOver) return;
    const grown = await table.raise(name, raise);
    for (const [scope, amount] of grown) this.#amounts.set(scope, amount);
    if (grown.size > 0) onChange();
  }

  /** Our own part first, then what the database says of it. */
  async #lower(lower: readonly OwnSlice[]): Promise<void> {
    const { table, name, stored, onChange, onFreed } = this.#options;
    let isLess = false;
    for (const { scope, amount } of lower) {
      isLess ||= amount < (this.#amounts.get(scope) ?? 0);
      this.#amounts.set(scope, amount);
    }
    if (isLess) {
      onChange();
      await stored();
    }
    await table.lower(name, lower);
    if (isLess) onFreed?.();
    for (const { scope, amount, weight } of lower) {
      this.#told.set(scope, weight);
      if (amount === 0) this.#amounts.delete(scope);
    }
  }

  /** What has work now, or had a moment ago. */
  #notice(): void {
    const atMs = this.#monotonicMs();
    const demand = this.#options.demand();
    const wanted = new Map([...this.#wanted].filter(([, known]) => atMs - known.atMs < wantedForMs));
    for (const [key, weight] of demand) if (weight > 0) wanted.set(key, { weight, atMs });
    for (const key of this.#asked.keys()) {
      // The next task of its run is likely to come when this one ends.
      if (!demand.has(key) && this.#options.inUse(key) > 0)
        wanted.set(key, { weight: wanted.get(key)?.weight ?? 1, atMs });
    }
    this.#wanted = wanted;
    for (const [key, asked] of this.#asked) {
      if (atMs - asked.atMs > forgottenAfterMs && !wanted.has(key))
        this.#asked.set(key, { whole: 0, atMs: asked.atMs });
    }
  }

  /** What the database says is ours, and nobody may take from a living replica. */
  async #recall(): Promise<void> {
    const { table, name } = this.#options;
    const own = await table.recall(name);
    this.#amounts.clear();
    this.#told.clear();
    for (const { scope, amount, weight } of own) {
      this.#amounts.set(scope, amount);
      this.#told.set(scope, weight);
    }
    this.#mustRecall = false;
  }

  #plan(
    rows: readonly SliceRow[],
    sharing: { readonly living: readonly string[]; readonly turn: number },
  ): { readonly lower: OwnSlice[]; readonly raise: Raise[] } {
    const me = this.#options.name.id;
    const others = Map.groupBy(
      rows.filter(({ replica }) => replica !== me && sharing.living.includes(replica)),
      ({ scope }) => scope,
    );
    const lower: OwnSlice[] = [];
    const raise: Raise[] = [];
    for (const scope of new Set([...this.#asked.keys(), ...this.#amounts.keys()])) {
      const whole = this.#asked.get(scope)?.whole ?? 0;
      const { held, weight, isNews } = this.#standing(scope);
      const claims = [...(others.get(scope) ?? []), { replica: me, weight }];
      const fair = whole === 0 ? 0 : fairAmount(me, claims, { whole, isDivisible: isRate(scope) }, sharing);
      if (fair < held || isNews) lower.push({ scope, amount: Math.min(fair, held), weight });
      if (fair > held) raise.push({ scope, whole, amount: fair });
      if (whole === 0) this.#forget(scope);
    }
    return { lower, raise };
  }

  #standing(scope: string): { readonly held: number; readonly weight: number; readonly isNews: boolean } {
    const weight = this.#wanted.get(scope)?.weight ?? 0;
    const isNews = hasChanged(this.#told.get(scope) ?? 0, weight);
    return { held: this.#amounts.get(scope) ?? 0, weight, isNews };
  }

  #forget(scope: string): void {
    this.#asked.delete(scope);
    this.#wanted.delete(scope);
  }
}

function hasChanged(before: number, now: number): boolean {
  return Math.abs(now - before) > weightStep * before;
}
