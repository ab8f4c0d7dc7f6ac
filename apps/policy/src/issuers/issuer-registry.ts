/**
 * Registering whose tokens are accepted. Members manage the issuers of their own organisation, administrators of the host
 * those of all; nobody takes over another organisation's `iss`, and nobody shuts out the issuer of their own token.
 * A change is in force here at once; the others hear of it by a hint, and find it at their next look.
 */
import { CogmeshError } from '@cogmesh/errors';
import { compileIssuer, reservedIssuers, type IssuerRecord } from '@cogmesh/identity';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { PolicyBook } from '../policy-book.js';
import type { PolicyHints } from '../policy-hints.js';
import { issuerAttributesMax, issuerMaxChars, issuerMaxTtlSeconds, issuerRolesMax } from '../limits.js';
import type { IssuerStore } from './issuer-store.js';

export interface IssuerRegistryParts {
  readonly store: IssuerStore;
  readonly book: Pick<PolicyBook, 'organisations' | 'refresh'>;
  readonly hints: Pick<PolicyHints, 'issuersChanged'>;
  /** Its administrators manage everybody's issuers. */
  readonly hostOrganisation: string;
  /** Whether a key set may be read from a private network. */
  readonly allowPrivate: boolean;
}

export class IssuerRegistry {
  readonly #parts: IssuerRegistryParts;

  constructor(parts: IssuerRegistryParts) {
    this.#parts = parts;
  }

  /** Throws `invalid_argument`, `permission_denied`, or `already_exists` when the `iss` is another organisation's. */
  async put(record: IssuerRecord, by: OutsideSubject): Promise<IssuerRecord> {
    this.#assertManages(by, record.organisation);
    this.#assertUsable(record);
    if (record.suspended) assertNotOwn(record.issuer, by);
    if (!(await this.#parts.store.put(record))) throw taken(record.issuer);
    await this.#changed();
    return record;
  }

  /** Those the caller manages. */
  async list(by: OutsideSubject): Promise<IssuerRecord[]> {
    const records = await this.#parts.store.list();
    return records.filter(({ organisation }) => this.#manages(by, organisation));
  }

  /** Throws `not_found`, or `failed_precondition` for the issuer of the caller's own token. */
  async setSuspended(issuer: string, suspended: boolean, by: OutsideSubject): Promise<IssuerRecord> {
    const record = { ...(await this.#managed(issuer, by)), suspended };
    if (suspended) assertNotOwn(issuer, by);
    if (!(await this.#parts.store.put(record))) throw taken(issuer);
    await this.#changed();
    return record;
  }

  /** Throws `not_found`, or `failed_precondition` for the issuer of the caller's own token. */
  async delete(issuer: string, by: OutsideSubject): Promise<void> {
    await this.#managed(issuer, by);
    assertNotOwn(issuer, by);
    await this.#parts.store.delete(issuer);
    await this.#changed();
  }

  /** Another organisation's issuer is not told from one that does not exist. */
  async #managed(issuer: string, by: OutsideSubject): Promise<IssuerRecord> {
    const record = await this.#parts.store.find(issuer);
    if (record !== undefined && this.#manages(by, record.organisation)) return record;
    throw new CogmeshError('not_found', `no issuer "${issuer.slice(0, 200)}" is registered`);
  }

  #manages({ organisation, roles }: OutsideSubject, owner: string): boolean {
    return organisation === owner || (organisation === this.#parts.hostOrganisation && roles.includes('admin'));
  }

  #assertManages(by: OutsideSubject, owner: string): void {
    if (!this.#manages(by, owner)) {
      const message = `issuers of another organisation are registered by administrators of ${this.#parts.hostOrganisation}`;
      throw new CogmeshError('permission_denied', message);
    }
    if (!this.#parts.book.organisations().includes(owner))
      throw new CogmeshError('invalid_argument', `there is no organisation "${owner.slice(0, 100)}"`);
  }

  #assertUsable(record: IssuerRecord): void {
    const problem = problemOf(record);
    if (problem !== undefined) throw new CogmeshError('invalid_argument', problem);
    try {
      compileIssuer(record, { allowPrivate: this.#parts.allowPrivate });
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      throw new CogmeshError('invalid_argument', thrown.message, {}, { cause: thrown });
    }
  }

  async #changed(): Promise<void> {
    await this.#parts.book.refresh();
    await this.#parts.hints.issuersChanged();
  }
}

function problemOf({ issuer, maxTtlSeconds, allowedRoles, allowedAttributes }: IssuerRecord): string | undefined {
  if (issuer === '' || issuer.length > issuerMaxChars || /[\u0000-\u0020\u007f]/.test(issuer))
    return `the issuer's name (iss) must have 1 to ${String(issuerMaxChars)} characters and no spaces`;
  if (reservedIssuers.includes(issuer)) return `the issuer "${issuer}" is the mesh's own`;
  if (!(maxTtlSeconds > 0) || maxTtlSeconds > issuerMaxTtlSeconds)
    return `its tokens may live 1 to ${String(issuerMaxTtlSeconds)} s`;
  if (allowedRoles.length > issuerRolesMax) return `an issuer may claim at most ${String(issuerRolesMax)} roles`;
  if (allowedAttributes.length > issuerAttributesMax)
    return `an issuer may set at most ${String(issuerAttributesMax)} attributes`;
  return undefined;
}

function assertNotOwn(issuer: string, by: OutsideSubject): void {
  if (issuer !== by.issuer) return;
  throw new CogmeshError(
    'failed_precondition',
    'this is the issuer of the token you call with; use the token of another, so that somebody can undo it',
  );
}

const taken = (issuer: string): CogmeshError =>
  new CogmeshError('already_exists', `the issuer "${issuer}" is registered for another organisation`);
