/**
 * Who has how much in flight and who may start more. In flight is one entry per attempt that is held, never a bare counter,
 * so a slot cannot leak: after a crash the entries are made anew from the rows. Starts per second are a token bucket in
 * memory, full when a limit is set and after a restart. Pure: the clock and who is told of a change are passed in.
 */
export interface ScopeRule {
  /** Attempts at once; 0 means no limit. */
  readonly maxInFlight: number;
  /** Starts per second; 0 means no limit. */
  readonly ratePerSecond: number;
  /** Starts that may come at once; 0 means as many as come in one second, at least 1. */
  readonly burst: number;
  /** Nothing starts. */
  readonly paused: boolean;
  /** What of it may be used here when others share it; all of it when absent. */
  readonly here?: ScopePart;
}

/** 0 means nothing at all. */
export interface ScopePart {
  readonly maxInFlight: number;
  readonly ratePerSecond: number;
}

/** Why nothing of a scope may start now. */
export type Obstacle =
  | { readonly reason: 'paused' }
  | { readonly reason: 'in_flight'; readonly inFlight: number; readonly maxInFlight: number }
  | { readonly reason: 'rate'; readonly ratePerSecond: number; readonly againInMs: number };

export interface ScopeBookOptions {
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly onOpen: (scope: string) => void;
  readonly onClose: (scope: string) => void;
}

interface Account {
  rule: ScopeRule;
  inFlight: number;
  tokens: number;
  /** When `tokens` was true. */
  countedAtMs: number;
  isOpen: boolean;
}

export const noRule: ScopeRule = { maxInFlight: 0, ratePerSecond: 0, burst: 0, paused: false };

/** A token that is short by less than this is there: refills are sums of fractions. */
const tokenTolerance = 1e-6;

export class ScopeBook {
  readonly #options: ScopeBookOptions;
  readonly #accounts = new Map<string, Account>();
  readonly #held = new Map<string, readonly string[]>();
  /** Scopes that are closed for want of a token. */
  readonly #dry = new Set<string>();

  constructor(options: ScopeBookOptions) {
    this.#options = options;
  }

  /** Replaces the rule of a scope; a new rate starts with a full bucket. */
  put(scope: string, rule: ScopeRule): void {
    const account = this.#accountOf(scope);
    this.#fill(account);
    const isNewRate = account.rule.ratePerSecond === 0;
    account.rule = rule;
    account.tokens = isNewRate ? depthOf(rule) : Math.min(account.tokens, depthOf(rule));
    this.#settle(scope, account);
  }

  /** Scopes that have a rule of their own. */
  ruled(): string[] {
    return [...this.#accounts].filter(([, { rule }]) => rule !== noRule).map(([scope]) => scope);
  }

  /** An attempt starts: it counts in every scope and takes a token of each. */
  hold(id: string, scopes: readonly string[]): void {
    this.restore(id, scopes);
    for (const scope of scopes) {
      const account = this.#accountOf(scope);
      if (account.rule.ratePerSecond === 0) continue;
      this.#fill(account);
      account.tokens -= 1;
      this.#settle(scope, account);
    }
  }

  /** An attempt that started before: it counts, and takes no token. */
  restore(id: string, scopes: readonly string[]): void {
    this.release(id);
    this.#held.set(id, scopes);
    for (const scope of scopes) this.#count(scope, 1);
  }

  /** Nothing happens when nobody holds the attempt. */
  release(id: string): void {
    const scopes = this.#held.get(id);
    if (!scopes) return;
    this.#held.delete(id);
    for (const scope of scopes) this.#count(scope, -1);
  }

  inFlight(scope: string): number {
    return this.#accounts.get(scope)?.inFlight ?? 0;
  }

  /** Undefined when the scope has room. */
  obstacle(scope: string): Obstacle | undefined {
    const account = this.#accounts.get(scope);
    if (!account) return undefined;
    const { rule, inFlight } = account;
    if (rule.paused) return { reason: 'paused' };
    if (isFull(account)) return { reason: 'in_flight', inFlight, maxInFlight: rule.maxInFlight };
    this.#fill(account);
    if (!isDry(account)) return undefined;
    return { reason: 'rate', ratePerSecond: rule.ratePerSecond, againInMs: untilToken(account) };
  }

  /** Opens scopes whose bucket has a token again; answers when the next one has, milliseconds from now. */
  refill(): number | undefined {
    let next: number | undefined;
    for (const scope of [...this.#dry]) {
      const account = this.#accountOf(scope);
      this.#fill(account);
      this.#settle(scope, account);
      if (this.#dry.has(scope)) next = Math.min(next ?? Infinity, untilToken(account));
    }
    return next;
  }

  #accountOf(scope: string): Account {
    let account = this.#accounts.get(scope);
    if (!account) {
      account = { rule: noRule, inFlight: 0, tokens: 0, countedAtMs: this.#options.nowMs(), isOpen: true };
      this.#accounts.set(scope, account);
    }
    return account;
  }

  #count(scope: string, by: number): void {
    const account = this.#accountOf(scope);
    account.inFlight += by;
    this.#settle(scope, account);
  }

  #fill(account: Account): void {
    const now = this.#options.nowMs();
    const gained = ((now - account.countedAtMs) * rateOf(account.rule)) / 1_000;
    account.tokens = Math.min(depthOf(account.rule), account.tokens + gained);
    account.countedAtMs = now;
  }

  #settle(scope: string, account: Account): void {
    if (isDry(account)) this.#dry.add(scope);
    else this.#dry.delete(scope);
    const isOpen = !account.rule.paused && !isFull(account) && !isDry(account);
    if (isOpen !== account.isOpen) {
      account.isOpen = isOpen;
      if (isOpen) this.#options.onOpen(scope);
      else this.#options.onClose(scope);
    }
    if (account.rule === noRule && account.inFlight === 0) this.#accounts.delete(scope);
  }
}

const rateOf = ({ ratePerSecond, here }: ScopeRule): number => here?.ratePerSecond ?? ratePerSecond;
const isFull = ({ rule, inFlight }: Account): boolean =>
  rule.maxInFlight > 0 && inFlight >= (rule.here?.maxInFlight ?? rule.maxInFlight);
const isDry = ({ rule, tokens }: Account): boolean => rule.ratePerSecond > 0 && tokens < 1 - tokenTolerance;
const untilToken = ({ rule, tokens }: Account): number => Math.ceil(((1 - tokens) / rateOf(rule)) * 1_000);

/** A part of the rate has the same part of the burst, at least one start. */
function depthOf(rule: ScopeRule): number {
  const { ratePerSecond, burst } = rule;
  const rate = rateOf(rule);
  if (ratePerSecond === 0 || rate === 0) return 0;
  return burst > 0 ? Math.max(1, (burst * rate) / ratePerSecond) : Math.max(1, Math.ceil(rate));
}
