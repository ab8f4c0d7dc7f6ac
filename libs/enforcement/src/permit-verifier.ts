/**
 * Permits at one enforcement point: signature and audience (identity), the method they are for, and for methods that change something
 * their single use. Used ids are kept until the permit expires; because a restart forgets them, a changing permit that was minted
 * before this process started is refused, and the gateway mints another.
 */
import { CogmeshError } from '@cogmesh/errors';
import { clockSkewSeconds, type InsideTokenVerifier, type PermitClaims } from '@cogmesh/identity';
import { usedPermitsMax } from './limits.js';
import { mutatingMethods } from './methods.js';

export interface PermitVerifierOptions {
  readonly verifier: Pick<InsideTokenVerifier, 'verifyPermit'>;
  /** The service this point guards. */
  readonly audience: string;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
  readonly maxUsedPermits?: number;
}

export class PermitVerifier {
  readonly #options: PermitVerifierOptions;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  /** id -> when it may be forgotten, roughly in that order. */
  readonly #used = new Map<string, number>();

  constructor(options: PermitVerifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#startedAtMs = this.#now();
  }

  /** The permit's claims if it is genuine and meant for this call; `invalid_permit` otherwise. Does not use it up. */
  async verify(token: string, method: string): Promise<PermitClaims> {
    const permit = await this.#options.verifier.verifyPermit(token, this.#options.audience);
    if (permit.method === method) return permit;
    throw new CogmeshError('invalid_permit', `the permit is for ${permit.method}, not for ${method}`);
  }

  /** Uses the permit up when its method changes something; `replayed_permit` when it was used, or may have been, before. */
  use(permit: PermitClaims): void {
    if (!mutatingMethods.has(permit.method)) return;
    if (permit.issuedAtMs < this.#startedAtMs) {
      throw new CogmeshError(
        'replayed_permit',
        'the permit is older than this enforcement point, which cannot know whether it was used; mint another',
      );
    }
    if (this.#used.has(permit.id))
      throw new CogmeshError('replayed_permit', 'the permit was used before; it is good for one call');
    this.#forgetExpired();
    if (this.#used.size >= (this.#options.maxUsedPermits ?? usedPermitsMax)) {
      throw new CogmeshError('overloaded', 'too many calls that change something at once; try again', {
        retryAfterSeconds: 5,
      });
    }
    this.#used.set(permit.id, permit.expiresAtMs + clockSkewSeconds * 1000);
  }

  #forgetExpired(): void {
    const now = this.#now();
    for (const [id, until] of this.#used) {
      if (until >= now) return;
      this.#used.delete(id);
    }
  }
}
