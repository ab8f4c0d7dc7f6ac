/**
 * Revoking and taking back: only what is the organisation's own. Stored first, then in force here, then a hint to the others; when it is
 * answered, no enforcement point with fresh policies lets the thing pass for longer than its staleness bound.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { revocationIssuerMaxChars, revocationReasonMaxChars, revocationValueMaxChars } from '../limits.js';
import type { PolicyBook } from '../policy-book.js';
import type { PolicyHints } from '../policy-hints.js';
import type { RevocationLedger } from './revocation-ledger.js';
import type { RevocationStore, RevocationWrite, RevokedThing, StoredRevocation } from './revocation-store.js';

export interface RevokeParts {
  readonly store: RevocationStore;
  readonly ledger: RevocationLedger;
  readonly book: Pick<PolicyBook, 'issuers'>;
  readonly hints: Pick<PolicyHints, 'revocationsChanged'>;
  readonly logger: Logger;
}

export class Revoke {
  readonly #parts: RevokeParts;

  constructor(parts: RevokeParts) {
    this.#parts = parts;
  }

  /** `invalid_argument`, `not_found` for an issuer that the organisation has not registered, `overloaded` when there are too many. */
  async execute(write: RevocationWrite): Promise<StoredRevocation> {
    this.#requireOwn(write);
    if (write.reason.length > revocationReasonMaxChars)
      throw invalid(`reason has more than ${String(revocationReasonMaxChars)} characters`);
    if (!Number.isSafeInteger(write.untilMs) || write.untilMs < 0) throw invalid('until_ms is no time');
    const stored = await this.#parts.store.put(write);
    await this.#spread(stored.epoch);
    return stored;
  }

  /** `not_found` when it is not revoked. Answers the epoch of the list. */
  async lift(thing: RevokedThing): Promise<number> {
    this.#requireOwn(thing);
    const change = await this.#parts.store.lift(thing);
    if (change === undefined) throw new CogmeshError('not_found', 'this is not revoked');
    await this.#spread(change.epoch);
    return change.epoch;
  }

  async #spread(epoch: number): Promise<void> {
    const { ledger, hints, logger } = this.#parts;
    await ledger.refresh().catch((thrown: unknown) => {
      logger.error(
        { err: thrown },
        'a revocation that was just stored could not be read; tried again at the next refresh',
      );
      throw thrown;
    });
    await hints.revocationsChanged(epoch);
  }

  #requireOwn({ kind, organisation, issuer, value }: RevokedThing): void {
    if (issuer.length > revocationIssuerMaxChars || value.length > revocationValueMaxChars)
      throw invalid('issuer or value is too long');
    if (kind === 'grant') {
      if (issuer !== '' || value === '') throw invalid('a grant is named by its id alone');
      return;
    }
    if ((kind === 'issuer') !== (value === ''))
      throw invalid(
        kind === 'issuer' ? 'an issuer is named without a value' : `a ${kind} is named by issuer and value`,
      );
    if (kind === 'key' && issuer === `org:${organisation}`) return;
    const record = this.#parts.book.issuers.find((one) => one.issuer === issuer);
    if (record?.organisation !== organisation)
      throw new CogmeshError('not_found', `${organisation} has registered no issuer "${issuer.slice(0, 200)}"`);
  }
}

const invalid = (why: string): CogmeshError => new CogmeshError('invalid_argument', `what is to be revoked: ${why}`);
