/**
 * What the gateway gives in exchange for a subject's token, and for the token of whoever acts for the subject (RFC 8693). It
 * is short-lived, names the whole chain of actors, and never says more than the tokens it came from.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Actor, OutsideSubject } from '@cogmesh/rpc';
import type { JWTPayload } from 'jose';
import { confirmationOf } from './dpop.js';
import { exchangeActorsMax } from './limits.js';
import { plainText } from './subject-claims.js';

export interface ExchangedClaims {
  /** As the tokens said it: issuer, token id and key are the subject token's. */
  readonly subject: OutsideSubject & { readonly keyId: string; readonly actors: readonly Actor[] };
  readonly expiresAtMs: number;
  /** Thumbprint of the key that it is bound to. */
  readonly boundTo?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** The claims beyond iss, iat and exp. `act` nests the actors as RFC 8693 has it, the current one outermost. */
export function exchangePayload({ subject, boundTo }: ExchangedClaims): JWTPayload {
  const { sub, organisation, roles, attributes, issuer, tokenId, keyId, actors } = subject;
  const act = actors.reduceRight<Fields | undefined>(
    (inner, { issuer: iss, tokenId: jti, keyId: kid, ...actor }) => ({
      ...{ iss, sub: actor.sub, organisation: actor.organisation, jti, kid },
      ...(inner === undefined ? {} : { act: inner }),
    }),
    undefined,
  );
  return {
    ...{ sub, organisation, roles, attributes, client_id: actors[0]?.sub ?? sub },
    source: { iss: issuer, jti: tokenId, kid: keyId },
    ...(act === undefined ? {} : { act }),
    ...(boundTo === undefined ? {} : { cnf: { jkt: boundTo } }),
  };
}

/** Throws `invalid_token` for claims of another shape. */
export function exchangedClaims(payload: JWTPayload): ExchangedClaims {
  const source = fieldsOf(payload['source'], 'source');
  const boundTo = confirmationOf(payload, false);
  return {
    subject: {
      issuer: plainText(source['iss'], 'source'),
      sub: plainText(payload.sub, 'sub'),
      organisation: plainText(payload['organisation'], 'organisation'),
      roles: listOf(payload['roles']).map((role) => plainText(role, 'roles')),
      tokenId: textOf(source['jti']),
      keyId: textOf(source['kid']),
      attributes: fieldsOf(payload['attributes'], 'attributes'),
      actors: actorsOf(payload['act']),
    },
    expiresAtMs: Math.round((payload.exp ?? 0) * 1_000),
    ...(boundTo === undefined ? {} : { boundTo }),
  };
}

function actorsOf(act: unknown): Actor[] {
  const actors: Actor[] = [];
  for (let next = act; next !== undefined;) {
    const fields = fieldsOf(next, 'act');
    if (actors.length >= exchangeActorsMax) throw unacceptable('act');
    const { iss, sub, organisation, jti, kid } = fields;
    actors.push({
      issuer: plainText(iss, 'act'),
      sub: plainText(sub, 'act'),
      organisation: plainText(organisation, 'act'),
      tokenId: textOf(jti),
      keyId: textOf(kid),
    });
    next = fields['act'];
  }
  return actors;
}

const unacceptable = (claim: string): CogmeshError =>
  new CogmeshError('invalid_token', `the token has an unacceptable "${claim}"`, { claim });

function fieldsOf(value: unknown, claim: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw unacceptable(claim);
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
