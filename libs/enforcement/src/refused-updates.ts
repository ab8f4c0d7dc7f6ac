/**
 * What the policy service, or whoever answers in its place, or the disk, offered and was not taken: told once to the log, counted, and
 * told to the policy service with the next question. Bounded; what is beyond is counted under the last.
 */
import type { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { refusedUpdatesMax } from './limits.js';

export type RefusalReason =
  | 'rollback'
  | 'wrong_organisation'
  | 'bad_signature'
  | 'truncated'
  | 'out_of_order'
  | 'expired'
  | 'not_yet_valid'
  | 'unusable';

export interface RefusedUpdate {
  readonly reason: RefusalReason;
  /** Empty where it was not to be read. */
  readonly organisation: string;
  readonly epoch: number;
  readonly detail: string;
  /** When it was refused first, milliseconds since 1970. */
  readonly atMs: number;
  readonly count: number;
}

const detailMaxChars = 300;
const logAgainMs = 60_000;

export class RefusedUpdates {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #totals = new Map<RefusalReason, number>();
  readonly #loggedAtMs = new Map<string, number>();
  #untold = new Map<string, RefusedUpdate>();

  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  note(reason: RefusalReason, about: { organisation?: string; epoch?: number }, detail: string): void {
    const { organisation = '', epoch = 0 } = about;
    this.#totals.set(reason, (this.#totals.get(reason) ?? 0) + 1);
    const key = `${reason} ${organisation} ${String(epoch)}`;
    const known = this.#untold.get(key);
    if (this.#mayLog(key)) this.#logger.warn({ reason, organisation, epoch }, `an update was refused: ${detail}`);
    if (known === undefined && this.#untold.size >= refusedUpdatesMax) return;
    const told = { reason, organisation, epoch, detail: detail.slice(0, detailMaxChars) };
    this.#untold.set(key, { ...told, atMs: known?.atMs ?? this.#now(), count: (known?.count ?? 0) + 1 });
  }

  /** What comes again at every question is logged once a minute. */
  #mayLog(key: string): boolean {
    const now = this.#now();
    if (now - (this.#loggedAtMs.get(key) ?? -Infinity) < logAgainMs) return false;
    if (this.#loggedAtMs.size >= refusedUpdatesMax) this.#loggedAtMs.clear();
    this.#loggedAtMs.set(key, now);
    return true;
  }

  /** Refusals since the start, by reason. */
  totals(): ReadonlyMap<RefusalReason, number> {
    return this.#totals;
  }

  /** Those the policy service does not know of. `told` forgets them once it has answered. */
  untold(): readonly RefusedUpdate[] {
    return [...this.#untold.values()];
  }

  told(): void {
    this.#untold = new Map();
  }
}

/** Why a signed text was refused, from the verifier's error. */
export function refusalReasonOf(error: CogmeshError, jws: string): RefusalReason {
  if (error.code === 'expired_token') return 'expired';
  if (error.details['claim'] === 'nbf') return 'not_yet_valid';
  const { code } = (error.cause ?? {}) as { code?: unknown };
  const whole = jws.slice(jws.lastIndexOf('.') + 1).length === signatureChars;
  return code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' && whole ? 'bad_signature' : 'truncated';
}

/** An Ed25519 signature, 64 bytes, in base64url. */
const signatureChars = 86;
