/**
 * Keys that an issuer publishes at a pinned URI. Fetched when they are due and when a token names a key that is not known,
 * never more often than the budget allows, whatever strangers present. A key that left the set still verifies, for the
 * issuer's overlap, what it signed before. When the URI cannot be read, the keys last seen serve for a bounded time.
 */
import { CogmeshError } from '@cogmesh/errors';
import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose';
import { keyProblem, type IssuerKeys } from './issuer-keys.js';
import { clockSkewSeconds, issuerKeysMax, retiredKeysMax } from './limits.js';
import { parseStrictJson } from './strict-json.js';

export interface RemoteKeysTimes {
  /** Age from which the keys are fetched again, milliseconds. Default 300,000. */
  readonly refreshMs?: number;
  /** How long they serve beyond that while they cannot be fetched, milliseconds. Default 3,600,000. */
  readonly graceMs?: number;
  /** One fetch is earned per this time, milliseconds; three may be saved up. Default 10,000. */
  readonly fetchEveryMs?: number;
}

export interface RemoteKeysOptions extends RemoteKeysTimes {
  readonly issuer: string;
  /** The text behind the pinned URI. */
  readonly fetch: () => Promise<string>;
  /** How long a key that left the set still verifies, milliseconds. */
  readonly overlapMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds, monotonic. */
  readonly monotonicMs: () => number;
}

interface Retired {
  readonly jwk: JWK;
  readonly kid: string;
  /** When it was seen to be gone, milliseconds since 1970. */
  readonly atMs: number;
  /** Monotonic. */
  readonly untilMs: number;
}

const budgetMax = 3;

export class RemoteKeys implements IssuerKeys {
  readonly #options: Required<RemoteKeysOptions>;
  #current: readonly JWK[] = [];
  #retired: readonly Retired[] = [];
  #set: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetchedAt = -Infinity;
  #failure: unknown;
  #fetching: Promise<boolean> | undefined;
  #budget = budgetMax;
  #budgetAt: number;
  generation = 0;

  constructor(options: RemoteKeysOptions) {
    this.#options = { refreshMs: 300_000, graceMs: 3_600_000, fetchEveryMs: 10_000, ...options };
    this.#budgetAt = options.monotonicMs();
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    // During an outage nobody waits for an answer that will hardly come.
    if (this.#isDue()) await (this.#set !== undefined && this.#failure !== undefined ? this.watch() : this.#refetch());
    try {
      return await this.#usable()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await this.#refetch())) throw error;
      return this.#usable()(header, token);
    }
  };

  goodFor(kid: unknown, issuedAtMs: number): boolean {
    const retired = this.#retired.find((one) => one.kid === kid);
    return retired === undefined || issuedAtMs <= retired.atMs + clockSkewSeconds * 1_000;
  }

  watch(): void {
    this.#dropRetired();
    if (this.#isDue()) void this.#refetch();
    if (this.#isTooOld() && this.#set !== undefined) this.#forget();
  }

  #isDue(): boolean {
    return this.#options.monotonicMs() - this.#fetchedAt > this.#options.refreshMs;
  }

  #isTooOld(): boolean {
    const { refreshMs, graceMs, monotonicMs } = this.#options;
    return monotonicMs() - this.#fetchedAt > refreshMs + graceMs;
  }

  #forget(): void {
    this.#set = undefined;
    this.generation += 1;
  }

  #usable(): ReturnType<typeof createLocalJWKSet> {
    this.#dropRetired();
    if (this.#set !== undefined && !this.#isTooOld()) return this.#set;
    const message = `the keys of the issuer "${this.#options.issuer}" cannot be fetched now; try again shortly`;
    throw new CogmeshError('unavailable', message, { retryAfterSeconds: 5 }, { cause: this.#failure });
  }

  /** Whether the keys were fetched; false also when the budget is spent. Calls made meanwhile share the answer. */
  #refetch(): Promise<boolean> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (!this.#spend()) return Promise.resolve(false);
    this.#fetching = this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  #spend(): boolean {
    const now = this.#options.monotonicMs();
    const earned = (now - this.#budgetAt) / this.#options.fetchEveryMs;
    this.#budget = Math.min(budgetMax, this.#budget + earned);
    this.#budgetAt = now;
    if (this.#budget < 1) return false;
    this.#budget -= 1;
    return true;
  }

  async #fetch(): Promise<boolean> {
    try {
      this.#take(readKeys(await this.#options.fetch()));
      this.#failure = undefined;
      this.#fetchedAt = this.#options.monotonicMs();
      return true;
    } catch (error) {
      this.#failure = error;
      return false;
    }
  }

  #take(keys: readonly JWK[]): void {
    const fresh = new Map(keys.map((key) => [nameOf(key), key]));
    const gone = this.#current.filter((key) => !isSame(fresh.get(nameOf(key)), key));
    this.#retired = this.#retired.filter(({ kid }) => !fresh.has(kid));
    for (const key of gone) this.#retire(key, fresh);
    this.#current = keys;
    this.#rebuild();
  }

  /** A key whose name another one now has, or that has no name, is gone at once: nobody could tell which was meant. */
  #retire(jwk: JWK, fresh: ReadonlyMap<string, JWK>): void {
    const { overlapMs, now, monotonicMs } = this.#options;
    if (jwk.kid === undefined || fresh.has(jwk.kid) || overlapMs === 0) {
      this.generation += 1;
      return;
    }
    const retired = { jwk, kid: jwk.kid, atMs: now(), untilMs: monotonicMs() + overlapMs };
    if (this.#retired.length >= retiredKeysMax) this.generation += 1;
    this.#retired = [...this.#retired, retired].slice(-retiredKeysMax);
  }

  #dropRetired(): void {
    const now = this.#options.monotonicMs();
    const kept = this.#retired.filter(({ untilMs }) => untilMs > now);
    if (kept.length === this.#retired.length) return;
    this.#retired = kept;
    this.generation += 1;
    if (this.#set !== undefined) this.#rebuild();
  }

  #rebuild(): void {
    this.#set = createLocalJWKSet({ keys: [...this.#current, ...this.#retired.map(({ jwk }) => jwk)] });
  }
}

/** What of a published set may verify signatures; throws when that is nothing. */
function readKeys(text: string): readonly JWK[] {
  const value = parseStrictJson(text);
  const { keys } = (typeof value === 'object' && value !== null ? value : {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new CogmeshError('unavailable', 'what the issuer publishes is not a key set');
  const usable = keys.filter((key): key is JWK => isKey(key) && keyProblem(key) === undefined).slice(0, issuerKeysMax);
  if (usable.length === 0) throw new CogmeshError('unavailable', 'what the issuer publishes holds no usable key');
  return usable;
}

const isKey = (key: unknown): key is JWK => typeof key === 'object' && key !== null && !Array.isArray(key);

const materialOf = ({ kty, crv, x, y, n, e }: JWK): string => JSON.stringify([kty, crv, x, y, n, e]);

const nameOf = (key: JWK): string => key.kid ?? materialOf(key);

const isSame = (one: JWK | undefined, other: JWK): boolean =>
  one !== undefined && materialOf(one) === materialOf(other);
