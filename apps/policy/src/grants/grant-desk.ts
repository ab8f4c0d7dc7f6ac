/**
 * Giving, accepting, passing on and revoking partner grants. A grant is signed by the organisation that owns the resources,
 * gives no right before its grantee accepted it, and never comes back once it is revoked. One that is passed on is signed by
 * the owner too, stays within the one it comes from, and ends with it.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { PartnerGrantClaims, PartnerGrantRequest } from '@cogmesh/identity';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { GrantVerifier } from '../checked-policies.js';
import { grantsListedMax, grantsPerGrantorMax, grantTextMaxChars } from '../limits.js';
import type { PolicyBook } from '../policy-book.js';
import type { PolicyHints } from '../policy-hints.js';
import type { GrantStore, StoredGrant } from './grant-store.js';
import { excessOver, termsProblem } from './grant-terms.js';

/** What the grantor decides; who it is comes from who asks. */
export type GrantTerms = Pick<
  PartnerGrantRequest,
  | 'grantee'
  | 'actions'
  | 'resources'
  | 'roles'
  | 'attributes'
  | 'purpose'
  | 'notBeforeMs'
  | 'expiresAtMs'
  | 'delegations'
>;

export interface GrantDeskParts {
  readonly store: GrantStore;
  readonly book: Pick<PolicyBook, 'organisations' | 'refresh'>;
  readonly hints: Pick<PolicyHints, 'bundlePublished'>;
  readonly verifier: GrantVerifier;
  /** Signs with the grantor's key; `invalid_config` where that key is not here. */
  readonly sign: (request: PartnerGrantRequest) => Promise<string>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class GrantDesk {
  readonly #parts: GrantDeskParts;

  constructor(parts: GrantDeskParts) {
    this.#parts = parts;
  }

  /** Throws `invalid_argument`, or `failed_precondition` where the policy service does not hold the organisation's key. */
  async create(terms: GrantTerms, by: OutsideSubject): Promise<StoredGrant> {
    return this.#offer(await this.#signed({ ...terms, grantor: by.organisation }), by);
  }

  /** As `create`, for a grant that the organisation signed itself. */
  async register(jws: string, by: OutsideSubject): Promise<StoredGrant> {
    const claims = await this.#parts.verifier.verifyPartnerGrant(jws, { anyTime: true });
    if (claims.grantor !== by.organisation)
      throw new CogmeshError('permission_denied', `the grant is given by ${claims.grantor}, not by ${by.organisation}`);
    if (claims.parentId !== undefined || claims.delegatedBy !== undefined)
      throw new CogmeshError('invalid_argument', 'a grant is passed on by whoever holds it, with DelegateGrant');
    return this.#offer(jws, by);
  }

  /** Throws `failed_precondition` where the grant may not be passed on, `invalid_argument` when the terms go beyond it. */
  async delegate(parentId: string, terms: GrantTerms, by: OutsideSubject): Promise<StoredGrant> {
    const { claims: parent, state } = await this.#visible(parentId, by);
    if (parent.grantee !== by.organisation)
      throw new CogmeshError('permission_denied', `only ${parent.grantee} may pass this grant on`);
    if (state !== 'accepted' || parent.parentId !== undefined || (parent.delegations ?? 0) < 1)
      throw new CogmeshError('failed_precondition', 'this grant may not be passed on', { state });
    if ((terms.delegations ?? 0) > 0 || terms.grantee === by.organisation)
      throw new CogmeshError('invalid_argument', 'a grant that was passed on goes no further, and to somebody else');
    const origin = { parentId, delegatedBy: by.organisation };
    const notBeforeMs = terms.notBeforeMs ?? parent.notBeforeMs;
    const beginning = notBeforeMs === undefined ? {} : { notBeforeMs };
    const jws = await this.#signed({ ...terms, ...beginning, ...origin, grantor: parent.grantor });
    const excess = excessOver(parent, await this.#parts.verifier.verifyPartnerGrant(jws, { anyTime: true }));
    if (excess !== undefined)
      throw new CogmeshError('invalid_argument', `the terms go beyond the grant they come from: ${excess}`);
    return this.#offer(jws, by);
  }

  /** Newest first. */
  list(by: OutsideSubject): Promise<StoredGrant[]> {
    return this.#parts.store.listOf(by.organisation, grantsListedMax);
  }

  /** Throws `failed_precondition` for a grant that is not on offer any more. */
  async accept(id: string, by: OutsideSubject): Promise<StoredGrant> {
    const { claims, state } = await this.#visible(id, by);
    if (claims.grantee !== by.organisation)
      throw new CogmeshError('permission_denied', `the grant is offered to ${claims.grantee}`);
    const epoch = await this.#parts.store.accept({ id, by: nameOf(by) });
    if (epoch === undefined)
      throw new CogmeshError('failed_precondition', 'the grant is not on offer any more', { state });
    return this.#inForce(claims, epoch);
  }

  /** By whoever gave, holds or passed it on; once more changes nothing. */
  async revoke({ id, reason }: { id: string; reason: string }, by: OutsideSubject): Promise<StoredGrant> {
    if (reason.length > grantTextMaxChars)
      throw new CogmeshError('invalid_argument', `a reason has at most ${String(grantTextMaxChars)} characters`);
    const { claims } = await this.#visible(id, by);
    const epoch = await this.#parts.store.revoke({ id, reason, by: nameOf(by) });
    return this.#inForce(claims, epoch);
  }

  async #offer(jws: string, by: OutsideSubject): Promise<StoredGrant> {
    const { store, book, verifier, now } = this.#parts;
    const claims = await verifier.verifyPartnerGrant(jws, { anyTime: true });
    assertAcceptable(claims, now());
    if (!book.organisations().includes(claims.grantee))
      throw new CogmeshError('invalid_argument', `there is no organisation "${claims.grantee}"`);
    if (!(await store.offer({ claims, jws, by: nameOf(by) }, grantsPerGrantorMax)))
      throw new CogmeshError('conflict', `there is a grant with this id, or ${claims.grantor} has too many`, {
        limit: grantsPerGrantorMax,
      });
    return this.#visible(claims.id, by);
  }

  async #signed(request: PartnerGrantRequest): Promise<string> {
    assertAcceptable({ ...request, id: '', issuedAtMs: this.#parts.now() }, this.#parts.now());
    try {
      return await this.#parts.sign(request);
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError) || thrown.code !== 'invalid_config') throw thrown;
      const message = `the key of ${request.grantor} is not held here: sign the grant where it is, and send the signed grant`;
      throw new CogmeshError('failed_precondition', message, {}, { cause: thrown });
    }
  }

  /** A grant between others is not told from one that does not exist. */
  async #visible(id: string, { organisation }: OutsideSubject): Promise<StoredGrant> {
    const found = await this.#parts.store.find(id);
    if (found !== undefined && partiesOf(found.claims).includes(organisation)) return found;
    throw new CogmeshError('not_found', `there is no grant "${id.slice(0, 100)}"`);
  }

  async #inForce({ id, grantor }: PartnerGrantClaims, epoch: number | undefined): Promise<StoredGrant> {
    const { store, book, hints } = this.#parts;
    if (epoch !== undefined) {
      await book.refresh();
      await hints.bundlePublished(grantor, epoch);
    }
    const grant = await store.find(id);
    if (grant === undefined) throw new CogmeshError('not_found', `there is no grant "${id}"`);
    return grant;
  }
}

function assertAcceptable(claims: PartnerGrantClaims, nowMs: number): void {
  const problem = termsProblem(claims, nowMs);
  if (problem !== undefined) throw new CogmeshError('invalid_argument', problem);
}

const partiesOf = ({ grantor, grantee, delegatedBy }: PartnerGrantClaims) => [grantor, grantee, delegatedBy];

const nameOf = ({ sub, issuer }: OutsideSubject): string => `${sub} (${issuer})`;
