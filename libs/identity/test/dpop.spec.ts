import { createHash } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OutsideTokenVerifier, type IssuerRecord, type Presentation } from '../src/index.js';

const iss = 'https://login.example';
const url = 'https://mesh.example/v1/runs';
let issuerKey: CryptoKey;
let holder: { readonly privateKey: CryptoKey; readonly jwk: JWK };
let thief: typeof holder;
let record: IssuerRecord;
let bound: string;
let plain: string;
let nowMs: number;
let verifier: OutsideTokenVerifier;

async function makeKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: await exportJWK(publicKey) };
}

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  issuerKey = privateKey;
  [holder, thief] = [await makeKey(), await makeKey()];
  record = {
    issuer: iss,
    organisation: 'a',
    jwksJson: JSON.stringify({ keys: [await exportJWK(publicKey)] }),
    algorithms: ['EdDSA'],
    audience: 'cogmesh',
    allowedRoles: [],
    allowedAttributes: [],
    maxTtlSeconds: 3_600,
    suspended: false,
  };
  bound = await token({ jkt: await calculateJwkThumbprint(holder.jwk) });
  plain = await token(undefined);
});
beforeEach(() => {
  nowMs = Date.now();
  verifier = new OutsideTokenVerifier([record], { now: () => nowMs });
});

function token(cnf: unknown): Promise<string> {
  const iat = Math.floor(Date.now() / 1_000);
  return new SignJWT({ iss, sub: 'ann', aud: 'cogmesh', iat, exp: iat + 600, ...(cnf === undefined ? {} : { cnf }) })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' })
    .sign(issuerKey);
}

interface ProofParts {
  readonly key?: typeof holder;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

function proof({ key = holder, header = {}, claims = {} }: ProofParts = {}): Promise<string> {
  const ath = createHash('sha256').update(bound).digest('base64url');
  const payload = { htm: 'POST', htu: url, jti: String(Math.random()), iat: Math.floor(nowMs / 1_000), ath, ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(payload)) as typeof payload)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(key.privateKey);
}

async function outcome(one: string, presentation?: Partial<Presentation>): Promise<string> {
  const whole = presentation && { scheme: 'DPoP' as const, method: 'POST', url, ...presentation };
  try {
    await verifier.verifyWithExpiry(one, whole);
    return 'accepted';
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return thrown.code;
  }
}

describe('a token that is bound to a key', () => {
  it('is accepted with a proof by that key, for this request, remembered or not', async () => {
    expect(await outcome(bound, { proof: await proof() })).toBe('accepted');
    expect(await outcome(bound, { proof: await proof() })).toBe('accepted');
    expect(await outcome(bound, { proof: await proof(), url: `${url}?page=2` })).toBe('accepted');
    expect(await outcome(bound, { proof: await proof({ claims: { htu: 'HTTPS://MESH.example:443/v1/runs' } }) })).toBe(
      'accepted',
    );
  });

  it('is refused without one, however it is presented', async () => {
    expect(await outcome(bound)).toBe('invalid_dpop_proof');
    expect(await outcome(bound, {})).toBe('invalid_dpop_proof');
    expect(await outcome(bound, { scheme: 'Bearer', proof: await proof() })).toBe('invalid_dpop_proof');
    await expect(verifier.verify(bound)).rejects.toThrow('bound to a key');
  });

  it('is refused with a proof that was used before', async () => {
    const once = await proof();
    expect(await outcome(bound, { proof: once })).toBe('accepted');
    expect(await outcome(bound, { proof: once })).toBe('invalid_dpop_proof');
  });

  const cases: readonly [string, () => Promise<string>][] = [
    ['by another key', () => proof({ key: thief })],
    ['by another key that shows the right one', () => proof({ key: thief, header: { jwk: holder.jwk } })],
    ['for another method', () => proof({ claims: { htm: 'GET' } })],
    ['for another path', () => proof({ claims: { htu: 'https://mesh.example/v1/policies' } })],
    ['for another host', () => proof({ claims: { htu: 'https://other.example/v1/runs' } })],
    ['for plain http', () => proof({ claims: { htu: 'http://mesh.example/v1/runs' } })],
    ['for no URL', () => proof({ claims: { htu: 'runs' } })],
    ['for another token', () => proof({ claims: { ath: createHash('sha256').update(plain).digest('base64url') } })],
    ['for no token', () => proof({ claims: { ath: undefined } })],
    ['without an id', () => proof({ claims: { jti: undefined } })],
    ['with an empty id', () => proof({ claims: { jti: '' } })],
    ['without a time', () => proof({ claims: { iat: undefined } })],
    ['made long ago', () => proof({ claims: { iat: Math.floor(nowMs / 1_000) - 120 } })],
    ['made in the future', () => proof({ claims: { iat: Math.floor(nowMs / 1_000) + 120 } })],
    ['of another type', () => proof({ header: { typ: 'jwt' } })],
    ['without a key', () => proof({ header: { jwk: undefined } })],
    ['with a private key', async () => proof({ header: { jwk: { ...holder.jwk, d: 'AA' } as JWK } })],
    ['with an RSA key that is too short', () => proof({ header: { jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } } })],
    ['that is no JWS', () => Promise.resolve('proof')],
    ['that is two', async () => `${await proof()}, ${await proof()}`],
    [
      'signed with a secret',
      () =>
        new SignJWT({ htm: 'POST', htu: url, jti: 'x', iat: Math.floor(nowMs / 1_000) })
          .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } as JWK })
          .sign(new TextEncoder().encode('a secret of at least thirty-two bytes')),
    ],
  ];
  it.each(cases)('is refused with a proof %s', async (_what, make) => {
    expect(await outcome(bound, { proof: await make() })).toBe('invalid_dpop_proof');
  });

  it.each([{}, { jkt: 5 }, { jkt: 'short' }, { 'x5t#S256': 'AAAA' }, 'text', null, []])(
    'is refused when it is bound in a way that is not known: %j',
    async (cnf) => {
      expect(await outcome(await token(cnf), { proof: await proof() })).toBe('invalid_token');
      expect(await outcome(await token(cnf))).toBe('invalid_token');
    },
  );
});

describe('a token that is not bound', () => {
  it('needs no proof, and does not pass as one that is', async () => {
    expect(await outcome(plain, { scheme: 'Bearer' })).toBe('accepted');
    expect(await outcome(plain, { proof: await proof() })).toBe('invalid_token');
  });

  it('is refused when its issuer binds every token', async () => {
    verifier.replaceIssuers([{ ...record, dpopRequired: true }]);
    expect(await outcome(plain, { scheme: 'Bearer' })).toBe('invalid_token');
    expect(await outcome(bound, { proof: await proof() })).toBe('accepted');
  });
});
