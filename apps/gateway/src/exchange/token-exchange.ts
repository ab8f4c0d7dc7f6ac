/**
 * Token exchange (RFC 8693): a subject's token, and the token of whoever acts for the subject, become one that names both. The
 * actor may act where the policies of the subject's organisation let it (`act` on `/organisations/<name>`; for an actor of
 * another organisation also a partner grant and its own policies). The token never outlives those it came from.
 */
import { CogmeshError, errorClasses } from '@cogmesh/errors';
import { exchangeAudience, type ExchangedClaims, type VerifiedSubject } from '@cogmesh/identity';
import type { Actor, OutsideSubject } from '@cogmesh/rpc';
import type { Admission, AdmittedRequest } from '../admission.js';
import { ExchangeFault } from './exchange-fault.js';

export interface ExchangeRequest {
  readonly subjectToken: string;
  readonly actorToken?: string;
  /** Roles to keep; absent: all. */
  readonly scope?: readonly string[];
  readonly audience?: string;
  /** With the proof that the new token is to be bound to, if any. */
  readonly request: AdmittedRequest;
}

export interface Exchanged {
  readonly token: string;
  readonly type: 'Bearer' | 'DPoP';
  readonly expiresInSeconds: number;
  readonly roles: readonly string[];
}

export interface TokenExchangeParts {
  readonly admission: Pick<Admission, 'verify' | 'proofKey'>;
  /** Whether the actor may act for subjects of an organisation. Rejects where nobody can say. */
  readonly mayAct: (actor: OutsideSubject, organisation: string) => Promise<boolean>;
  readonly mint: (claims: ExchangedClaims) => Promise<string>;
  /** Actors in a chain at most. */
  readonly actorsMax: number;
  readonly ttlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class TokenExchange {
  readonly #parts: TokenExchangeParts;

  constructor(parts: TokenExchangeParts) {
    this.#parts = parts;
  }

  /** Rejects with an ExchangeFault, or with `unavailable` and the like where nobody can say. */
  async exchange(wanted: ExchangeRequest): Promise<Exchanged> {
    if (wanted.audience !== undefined && wanted.audience !== exchangeAudience)
      throw new ExchangeFault('invalid_target', `tokens are given for the audience ${exchangeAudience} alone`);
    const subject = await this.#verified('subject_token', wanted.subjectToken);
    const actor = wanted.actorToken === undefined ? undefined : await this.#verified('actor_token', wanted.actorToken);
    const actors = await this.#chain(subject, actor);
    const roles = keptRoles(subject.subject.roles, wanted.scope);
    const boundTo = wanted.request.proof === undefined ? {} : { boundTo: await this.#proofKey(wanted.request) };
    const expiresAtMs = this.#expiry(subject, actor);
    const claims = { ...subject.subject, roles, actors, keyId: subject.keyId ?? '' };
    return {
      token: await this.#parts.mint({ subject: claims, expiresAtMs, ...boundTo }),
      type: 'boundTo' in boundTo ? 'DPoP' : 'Bearer',
      expiresInSeconds: Math.floor((expiresAtMs - this.#parts.now()) / 1_000),
      roles,
    };
  }

  /** Who acts for the subject from now on, the new actor first. */
  async #chain(subject: VerifiedSubject, actor: VerifiedSubject | undefined): Promise<readonly Actor[]> {
    const before = subject.subject.actors ?? [];
    if (actor === undefined) return before;
    await this.#assertMayAct(actor, subject);
    if (before.length < this.#parts.actorsMax) return [actorOf(actor), ...before];
    throw new ExchangeFault('invalid_request', `a token names at most ${String(this.#parts.actorsMax)} actors`);
  }

  /** No later than any of the tokens. */
  #expiry(subject: VerifiedSubject, actor: VerifiedSubject | undefined): number {
    const { now, ttlMs } = this.#parts;
    const expiresAtMs = Math.min(now() + ttlMs, subject.expiresAtMs, actor?.expiresAtMs ?? Infinity);
    if (expiresAtMs - now() >= 1_000) return expiresAtMs;
    throw new ExchangeFault('invalid_request', 'the tokens are about to expire');
  }

  async #verified(parameter: string, token: string): Promise<VerifiedSubject> {
    try {
      return await this.#parts.admission.verify(token);
    } catch (thrown) {
      throw asFault(thrown, parameter);
    }
  }

  async #proofKey(request: AdmittedRequest): Promise<string> {
    try {
      return await this.#parts.admission.proofKey(request);
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError) || thrown.code !== 'invalid_dpop_proof') throw thrown;
      throw new ExchangeFault('invalid_dpop_proof', thrown.message);
    }
  }

  /** A subject acts for itself without asking. */
  async #assertMayAct(actor: VerifiedSubject, subject: VerifiedSubject): Promise<void> {
    if ((actor.subject.actors ?? []).length > 0)
      throw new ExchangeFault('invalid_request', 'actor_token: whoever acts presents a token of its own');
    if (actor.subject.issuer === subject.subject.issuer && actor.subject.sub === subject.subject.sub) return;
    const { mayAct } = subject;
    const isNamed =
      mayAct?.sub === actor.subject.sub && (mayAct.iss ?? subject.subject.issuer) === actor.subject.issuer;
    if (mayAct !== undefined && !isNamed)
      throw new ExchangeFault(
        'invalid_request',
        'subject_token: it names somebody else to act for its subject (may_act)',
      );
    const { organisation } = subject.subject;
    if (await this.#parts.mayAct(actor.subject, organisation)) return;
    throw new ExchangeFault(
      'unauthorized_client',
      `${actor.subject.sub} of ${actor.subject.organisation} may not act for subjects of ${organisation}: no policy allows "act" on /organisations/${organisation}`,
    );
  }
}

function actorOf({ subject, keyId = '' }: VerifiedSubject): Actor {
  const { issuer, sub, organisation, tokenId } = subject;
  return { issuer, sub, organisation, tokenId, keyId };
}

function keptRoles(held: readonly string[], scope: readonly string[] | undefined): readonly string[] {
  const excess = scope?.find((role) => !held.includes(role));
  if (excess !== undefined) throw new ExchangeFault('invalid_scope', `the subject does not hold the role "${excess}"`);
  return scope === undefined ? held : held.filter((role) => scope.includes(role));
}

/** A token that is no good is a fault of the request; that nobody can tell is not. */
function asFault(thrown: unknown, parameter: string): unknown {
  if (!(thrown instanceof CogmeshError) || errorClasses[thrown.code].http !== 401) return thrown;
  return new ExchangeFault('invalid_request', `${parameter}: ${thrown.message}`);
}
