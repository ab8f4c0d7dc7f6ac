/**
 * What is revoked now, built from signed lists that each continue the one before. A list that was had already changes nothing; one that
 * starts after what is held is refused, because something between is missing. Nothing is forgotten but what has ended by itself.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { RevocationChange, RevocationListClaims } from '@cogmesh/identity';

/** Somebody outside, as far as a revocation can name them. */
export interface Revocable {
  readonly issuer: string;
  readonly sub: string;
  /** `jti` of the outside token; empty when it has none. */
  readonly tokenId: string;
  /** `kid` of the key that verified it; empty when the token named none, absent when there is no token. */
  readonly keyId?: string;
}

/** What an enforcement point asks. */
export interface Revocations {
  readonly epoch: number;
  /** The revocation that holds for this subject and token, if one does. */
  find(who: Revocable, nowMs: number): RevocationChange | undefined;
  /** Whether the grant itself, or the key `keyId` that signed it, is revoked by the organisation that gave it. */
  isGrantRevoked(
    grant: { readonly grantor: string; readonly id: string; readonly keyId: string },
    nowMs: number,
  ): boolean;
}

interface OfIssuer {
  whole: RevocationChange | undefined;
  readonly subject: Map<string, RevocationChange>;
  readonly token: Map<string, RevocationChange>;
  readonly key: Map<string, RevocationChange>;
}

export class RevocationBook implements Revocations {
  readonly #issuers = new Map<string, OfIssuer>();
  /** By grantor, then id. */
  readonly #grants = new Map<string, Map<string, RevocationChange>>();
  #epoch = 0;

  get epoch(): number {
    return this.#epoch;
  }

  /** The changes that were new. Throws `conflict` for a list that starts after what is held. */
  apply({ since, epoch, changes }: RevocationListClaims): readonly RevocationChange[] {
    if (epoch <= this.#epoch) return [];
    if (since > this.#epoch)
      throw new CogmeshError(
        'conflict',
        `the list of revocations starts at ${String(since)}, and ${String(this.#epoch)} is held`,
      );
    const fresh = changes.filter((change) => change.epoch > this.#epoch).sort((a, b) => a.epoch - b.epoch);
    for (const change of fresh) this.#put(change);
    this.#epoch = epoch;
    return fresh;
  }

  find({ issuer, sub, tokenId, keyId }: Revocable, nowMs: number): RevocationChange | undefined {
    const of = this.#issuers.get(issuer);
    if (of === undefined) return undefined;
    return (
      standing(of.whole, nowMs) ??
      standing(of.subject.get(sub), nowMs) ??
      (tokenId === '' ? undefined : standing(of.token.get(tokenId), nowMs)) ??
      keyRevocation(of.key, keyId, nowMs)
    );
  }

  isGrantRevoked(
    { grantor, id, keyId }: { readonly grantor: string; readonly id: string; readonly keyId: string },
    nowMs: number,
  ): boolean {
    const keys = this.#issuers.get(`org:${grantor}`)?.key;
    return (
      standing(this.#grants.get(grantor)?.get(id), nowMs) !== undefined ||
      (keys !== undefined && keyRevocation(keys, keyId, nowMs) !== undefined)
    );
  }

  #put(change: RevocationChange): void {
    const { kind, issuer, value, organisation } = change;
    if (kind === 'grant') {
      let grants = this.#grants.get(organisation);
      if (grants === undefined) this.#grants.set(organisation, (grants = new Map()));
      return set(grants, value, change);
    }
    let of = this.#issuers.get(issuer);
    if (of === undefined)
      this.#issuers.set(issuer, (of = { whole: undefined, subject: new Map(), token: new Map(), key: new Map() }));
    if (kind === 'issuer') of.whole = change.lifted ? undefined : change;
    else set(of[kind], value, change);
  }
}

function set(changes: Map<string, RevocationChange>, value: string, change: RevocationChange): void {
  if (change.lifted) changes.delete(value);
  else changes.set(value, change);
}

const standing = (change: RevocationChange | undefined, nowMs: number): RevocationChange | undefined =>
  change === undefined || (change.untilMs !== 0 && change.untilMs <= nowMs) ? undefined : change;

/** A token that named no key may have been signed with any revoked one of the issuer. */
function keyRevocation(
  keys: ReadonlyMap<string, RevocationChange>,
  keyId: string | undefined,
  nowMs: number,
): RevocationChange | undefined {
  if (keys.size === 0 || keyId === undefined) return undefined;
  if (keyId !== '') return standing(keys.get(keyId), nowMs);
  return [...keys.values()].find((change) => standing(change, nowMs) !== undefined);
}

/** The error for somebody who is revoked. */
export function revokedError({ kind, issuer, organisation }: RevocationChange): CogmeshError {
  const what = {
    token: 'this token',
    subject: 'this subject',
    issuer: 'this issuer',
    key: 'the key that signed this token',
  };
  const named = kind === 'grant' ? 'this grant' : what[kind];
  return new CogmeshError('revoked', `${organisation} has revoked ${named}${issuer === '' ? '' : ` (${issuer})`}`, {
    kind,
    issuer,
  });
}
