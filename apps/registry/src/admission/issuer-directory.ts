/**
 * The issuers whose tokens SDK agents may present, as the policy service registers them. Looked up on demand and again when
 * older than `refreshMs` or hinted; a token of an unknown issuer asks once more before it is refused. While the policy
 * service cannot be reached and the list is too old, nobody new is admitted.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import {
  issuerOfMessage,
  OutsideTokenVerifier,
  type OutsideTokenVerifierOptions,
  type VerifiedSubject,
} from '@cogmesh/identity';
import type { Client } from '@cogmesh/rpc';
import type { Clock } from '@cogmesh/registry-core';
import { untraced } from '@cogmesh/telemetry';

export interface IssuerDirectoryOptions {
  readonly policy: Pick<Client<typeof policyV1.PolicyService>, 'getIssuers'>;
  readonly clock: Clock;
  readonly refreshMs: number;
  /** How the key sets that issuers publish are fetched. */
  readonly keys: OutsideTokenVerifierOptions;
}

/** A new list is not asked for more often than this, whatever strangers present. */
const MIN_REFRESH_MS = 200;

export class IssuerDirectory {
  readonly #options: IssuerDirectoryOptions;
  readonly #verifier: OutsideTokenVerifier;
  #fetchedMs: number | undefined;
  #fetching: Promise<void> | undefined;

  constructor(options: IssuerDirectoryOptions) {
    this.#options = options;
    this.#verifier = new OutsideTokenVerifier([], options.keys);
  }

  /** Throws `unknown_issuer`, `invalid_token`, `expired_token`, or `unavailable` when the issuers cannot be had. */
  async verify(token: string): Promise<VerifiedSubject> {
    if (this.#ageMs() > this.#options.refreshMs) await this.refresh();
    try {
      return await this.#verifier.verifyWithExpiry(token);
    } catch (error) {
      const unknown = error instanceof CogmeshError && error.code === 'unknown_issuer';
      if (!unknown || this.#ageMs() < MIN_REFRESH_MS) throw error;
      await this.refresh();
      return this.#verifier.verifyWithExpiry(token);
    }
  }

  /** One request at a time; everybody who asks meanwhile shares it. */
  refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  #ageMs(): number {
    return this.#fetchedMs === undefined ? Infinity : this.#options.clock.monotonicMs() - this.#fetchedMs;
  }

  async #fetch(): Promise<void> {
    const { issuers } = await untraced(() => this.#options.policy.getIssuers({}));
    this.#verifier.replaceIssuers(issuers.map(issuerOfMessage));
    this.#fetchedMs = this.#options.clock.monotonicMs();
  }
}
