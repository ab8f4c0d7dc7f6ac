/**
 * Calls that were let in and are still open. Each is checked again when policies or revocations change, every half minute for what time
 * alone changes, and ended when the policies are too old: a stream has no right that a new call would not have.
 */
import type { PermitClaims } from '@cogmesh/identity';
import type { AccessCheck } from './access-check.js';
import { decisionTtlMaxMs, freshnessCheckMs } from './limits.js';
import { checkAgain } from './log/check-logged.js';
import type { DecisionLog } from './log/decision-log.js';
import type { PolicySource } from './policy-source.js';

export interface OpenCallsOptions {
  readonly source: PolicySource;
  readonly access: AccessCheck;
  /** Told which calls were ended. */
  readonly log?: DecisionLog | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface OpenCall {
  readonly permit: PermitClaims;
  readonly end: (why: unknown) => void;
}

export class OpenCalls {
  readonly #options: OpenCallsOptions;
  readonly #calls = new Set<OpenCall>();
  #checkedAtMs = 0;
  #stopWatching: () => void = () => {};

  constructor(options: OpenCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Calls `end` once, with the refusal, when the call may not go on. Answers how to stop following it. */
  follow(permit: PermitClaims, end: (why: unknown) => void): () => void {
    const call = { permit, end };
    if (this.#calls.size === 0) this.#watch();
    this.#calls.add(call);
    return () => this.#forget(call);
  }

  #watch(): void {
    const { source, now } = this.#options;
    this.#checkedAtMs = now();
    const forget = source.onChange(() => this.#checkAll());
    const timer = setInterval(() => this.#look(), freshnessCheckMs).unref();
    this.#stopWatching = () => {
      clearInterval(timer);
      forget();
    };
  }

  #forget(call: OpenCall): void {
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#stopWatching();
  }

  #look(): void {
    const { source, now } = this.#options;
    try {
      source.assertFresh();
    } catch (stale) {
      for (const call of [...this.#calls]) this.#end(call, stale);
      return;
    }
    if (now() - this.#checkedAtMs >= decisionTtlMaxMs) this.#checkAll();
  }

  /** The permit has done its part when the call began: only its rights are asked for. */
  #checkAll(): void {
    const { access, log, now } = this.#options;
    this.#checkedAtMs = now();
    for (const call of [...this.#calls]) {
      try {
        checkAgain({ access, log }, { ...call.permit, expiresAtMs: now() + decisionTtlMaxMs });
      } catch (refusal) {
        this.#end(call, refusal);
      }
    }
  }

  #end(call: OpenCall, why: unknown): void {
    this.#forget(call);
    call.end(why);
  }
}
