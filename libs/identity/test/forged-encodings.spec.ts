/**
 * Tokens and keys whose bytes are not what a signer writes: another spelling of the same bytes, signatures in another form, keys that
 * are weak, of another use or no keys at all. Published for other verifiers (RFC 8725; CVE-2022-21449 and its kin; Wycheproof's classes of vectors).
 */
import { constants, createHash, generateKeyPairSync, sign as signBytes, type KeyObject } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { OutsideTokenVerifier, type IssuerRecord, type Presentation } from '../src/index.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const keysOf = { RS256: rsa, PS256: rsa, ES256: ec, EdDSA: ed } as const;
type Alg = keyof typeof keysOf;
type Jwk = Record<string, unknown>;

const now = Math.floor(Date.now() / 1_000);
const claims = { iss: 'https://a.example', sub: 'ann', aud: 'cogmesh', iat: now, exp: now + 600, jti: 'j' };
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const publicJwk = (alg: Alg): Jwk => ({ ...keysOf[alg].publicKey.export({ format: 'jwk' }), kid: 'k' });

interface Signing {
  readonly header?: object | string;
  readonly payload?: unknown;
  readonly key?: KeyObject;
  readonly saltLength?: number;
  readonly der?: boolean;
  readonly hash?: string;
}

function inputOf(alg: Alg, { header = {}, payload = claims }: Signing): string {
  const head = typeof header === 'string' ? header : JSON.stringify({ alg, typ: 'at+jwt', kid: 'k', ...header });
  return `${encode(head)}.${encode(payload)}`;
}

function signatureOf(alg: Alg, input: string, signing: Signing = {}): Buffer {
  const { key = keysOf[alg].privateKey, saltLength = 32, der = false, hash = 'sha256' } = signing;
  const data = Buffer.from(input);
  if (alg === 'EdDSA') return signBytes(null, data, key);
  if (alg === 'ES256') return signBytes(hash, data, { key, dsaEncoding: der ? 'der' : 'ieee-p1363' });
  return signBytes(hash, data, alg === 'PS256' ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } : key);
}

function token(alg: Alg, signing: Signing = {}): string {
  const input = inputOf(alg, signing);
  return `${input}.${signatureOf(alg, input, signing).toString('base64url')}`;
}

const changed = (alg: Alg, change: (signature: Buffer) => Buffer): string => {
  const input = inputOf(alg, {});
  return `${input}.${change(signatureOf(alg, input)).toString('base64url')}`;
};

const record = (alg: Alg, jwk: Jwk): IssuerRecord => ({
  issuer: claims.iss,
  organisation: 'a',
  jwksJson: JSON.stringify({ keys: [jwk] }),
  algorithms: [alg],
  audience: 'cogmesh',
  allowedRoles: ['admin'],
  allowedAttributes: [],
  maxTtlSeconds: 3_600,
  suspended: false,
});

async function codeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'accepted';
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return thrown.code;
  }
}
const outcome = (alg: Alg, text: string, jwk: Jwk = publicJwk(alg)): Promise<string> =>
  codeOf(() => new OutsideTokenVerifier([record(alg, jwk)]).verify(text));

/** The last letter with a bit that encodes nothing. */
function otherSpelling(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) ?? '') ^ 1];
}
const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
const edOrder = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');

/** s + L: the same signature for whoever does not reduce it. */
function malleated(signature: Buffer): Buffer {
  const out = Buffer.from(signature);
  let carry = 0;
  for (let i = 0; i < 32; i += 1) {
    const sum = (out[32 + i] ?? 0) + (edOrder[i] ?? 0) + carry;
    out[32 + i] = sum & 0xff;
    carry = sum >> 8;
  }
  return out;
}

describe('a token', () => {
  const attacks: readonly [string, Alg, () => string][] = [
    ...(['RS256', 'ES256', 'EdDSA'] as const).map((alg): [string, Alg, () => string] => [
      `whose signature has a bit that encodes nothing (${alg})`,
      alg,
      () => {
        const [header, payload, signature = ''] = token(alg).split('.');
        return `${header}.${payload}.${otherSpelling(signature)}`;
      },
    ]),
    ['whose signature has a letter too many', 'EdDSA', () => `${token('EdDSA')}A`],
    [
      'that was signed with a bit that encodes nothing in its claims',
      'EdDSA',
      () => {
        const head = encode({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k' });
        const text = JSON.stringify(claims);
        const input = `${head}.${otherSpelling(encode(text.length % 3 === 0 ? text.replace('{', '{ ') : text))}`;
        return `${input}.${signatureOf('EdDSA', input).toString('base64url')}`;
      },
    ],
    [
      'whose header begins with a mark of its byte order',
      'EdDSA',
      () => token('EdDSA', { header: '\ufeff{"alg":"EdDSA","kid":"k"}' }),
    ],
    ['whose claims begin with one', 'EdDSA', () => token('EdDSA', { payload: `\ufeff${JSON.stringify(claims)}` })],
    ['inside a token', 'EdDSA', () => token('EdDSA', { header: { cty: 'JWT' }, payload: token('EdDSA') })],
    [
      'with a member of its header twice, deep inside',
      'EdDSA',
      () => token('EdDSA', { header: '{"alg":"EdDSA","kid":"k","x":{"a":1,"a":2}}' }),
    ],
    ['of a service inside', 'EdDSA', () => token('EdDSA', { header: { typ: 'cogmesh-service+jwt' } })],
    ['of the gateway inside', 'EdDSA', () => token('EdDSA', { header: { typ: 'cogmesh-permit+jwt' } })],
    ['signed in DER', 'ES256', () => token('ES256', { der: true })],
    ['signed with r and s of the order', 'ES256', () => changed('ES256', () => Buffer.concat([order, order]))],
    [
      'signed with s of zero',
      'ES256',
      () => changed('ES256', (s) => Buffer.concat([s.subarray(0, 32), Buffer.alloc(32)])),
    ],
    [
      'signed with r of zero',
      'ES256',
      () => changed('ES256', (s) => Buffer.concat([Buffer.alloc(32), s.subarray(32)])),
    ],
    [
      'signed with leading zeros',
      'ES256',
      () =>
        changed('ES256', (s) => Buffer.concat([Buffer.alloc(1), s.subarray(0, 32), Buffer.alloc(1), s.subarray(32)])),
    ],
    ['signed with another hash', 'ES256', () => token('ES256', { hash: 'sha512' })],
    ['signed with s and the order', 'EdDSA', () => changed('EdDSA', malleated)],
    [
      'signed with R of small order and s of zero',
      'EdDSA',
      () => changed('EdDSA', () => Buffer.concat([Buffer.from([1]), Buffer.alloc(63)])),
    ],
    ['signed with a zero in front', 'RS256', () => changed('RS256', (s) => Buffer.concat([Buffer.alloc(1), s]))],
    ['signed with another hash by RSA', 'RS256', () => token('RS256', { hash: 'sha1' })],
    ['signed without salt', 'PS256', () => token('PS256', { saltLength: 0 })],
    ['signed with too much salt', 'PS256', () => token('PS256', { saltLength: 64 })],
    [
      'signed by the other scheme of RSA',
      'PS256',
      () => {
        const input = inputOf('PS256', {});
        return `${input}.${signatureOf('RS256', input).toString('base64url')}`;
      },
    ],
    ...[1.5, 1e300, -1e300].map((by): [string, Alg, () => string] => [
      `that ends ${by} s after a million years`,
      'EdDSA',
      () => token('EdDSA', { payload: { ...claims, exp: 3.2e13 + by } }),
    ]),
    ['made in the future', 'EdDSA', () => token('EdDSA', { payload: { ...claims, iat: now + 300 } })],
    ['made at no time', 'EdDSA', () => token('EdDSA', { payload: { ...claims, iat: 'now' } })],
    ['that starts at null', 'EdDSA', () => token('EdDSA', { payload: { ...claims, nbf: null } })],
    ['that starts at a list', 'EdDSA', () => token('EdDSA', { payload: { ...claims, nbf: [now] } })],
    ['that ends at true', 'EdDSA', () => token('EdDSA', { payload: { ...claims, exp: true } })],
    [
      'for a list that is no list of names',
      'EdDSA',
      () => token('EdDSA', { payload: { ...claims, aud: [['cogmesh']] } }),
    ],
    ['about a number', 'EdDSA', () => token('EdDSA', { payload: { ...claims, sub: 7 } })],
    ['about nobody', 'EdDSA', () => token('EdDSA', { payload: { ...claims, sub: '' } })],
    ['about a line feed', 'EdDSA', () => token('EdDSA', { payload: { ...claims, sub: 'ann\nroot' } })],
  ];

  it.each(attacks)('%s is refused', async (_what, alg, make) => {
    expect(await outcome(alg, make())).toMatch(/^(invalid_token|expired_token)$/);
  });

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)('of %s that is none of this is accepted', async (alg) => {
    expect(await outcome(alg, token(alg))).toBe('accepted');
    const list = { ...claims, aud: ['other', 'cogmesh'], exp: claims.exp + 0.5 };
    expect(await outcome(alg, token(alg, { payload: list }))).toBe('accepted');
  });
});

describe('a key of an issuer', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const x25519 = generateKeyPairSync('x25519');
  const jwkOf = (key: KeyObject): Jwk => ({ ...key.export({ format: 'jwk' }), kid: 'k' });

  it.each<[string, Alg, Jwk, string?]>([
    ['for encryption', 'RS256', { ...publicJwk('RS256'), use: 'enc' }],
    ['for another operation', 'ES256', { ...publicJwk('ES256'), key_ops: ['deriveKey'] }],
    ['for signing alone', 'ES256', { ...publicJwk('ES256'), key_ops: ['sign'] }],
    ['for another algorithm of its kind', 'RS256', { ...publicJwk('RS256'), alg: 'PS256' }],
    ['for another algorithm', 'EdDSA', { ...publicJwk('EdDSA'), alg: 'ES256' }],
    ['of another curve', 'ES256', jwkOf(p384.publicKey), token('ES256', { key: p384.privateKey })],
    ['for agreement', 'EdDSA', jwkOf(x25519.publicKey)],
    ['of 1,024 bits', 'RS256', jwkOf(small.publicKey), token('RS256', { key: small.privateKey })],
    ['with the exponent one', 'RS256', { ...publicJwk('RS256'), e: 'AQ' }],
    ['with an even exponent', 'RS256', { ...publicJwk('RS256'), e: 'AQAA' }],
    ['that is no point of its curve', 'ES256', { ...publicJwk('ES256'), y: publicJwk('ES256')['x'] }],
    ['that is cut short', 'EdDSA', { ...publicJwk('EdDSA'), x: 'AAAA' }],
    ['without its numbers', 'ES256', { kty: 'EC', crv: 'P-256', kid: 'k' }],
    [
      'of small order',
      'EdDSA',
      { kty: 'OKP', crv: 'Ed25519', kid: 'k', x: Buffer.from([1, ...Array<number>(31).fill(0)]).toString('base64url') },
      smallOrderToken(),
    ],
    ['under another name', 'ES256', { ...publicJwk('ES256'), kid: 'other' }],
  ])('%s verifies nothing', async (_what, alg, jwk, text = token(alg)) => {
    expect(await outcome(alg, text, jwk)).toBe('invalid_token');
  });
});

/** Under a key of order one, R = identity and s = 0 sign whatever there is. */
function smallOrderToken(): string {
  return `${inputOf('EdDSA', {})}.${Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]).toString('base64url')}`;
}

describe('a proof of possession', () => {
  const bound = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = bound.publicKey.export({ format: 'jwk' });
  const jkt = createHash('sha256')
    .update(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))
    .digest('base64url');
  const held = token('EdDSA', { payload: { ...claims, cnf: { jkt } } });
  const ath = createHash('sha256').update(held).digest('base64url');
  const request = { scheme: 'DPoP', method: 'GET', url: 'https://mesh.example/v1/whoami' } as const;
  const verifier = new OutsideTokenVerifier([record('EdDSA', publicJwk('EdDSA'))]);

  const show = (key: unknown, id: string) => {
    const header = { typ: 'dpop+jwt', jwk: key, kid: undefined };
    const payload = { jti: id, htm: 'GET', htu: request.url, iat: now, ath };
    const presentation: Presentation = {
      ...request,
      proof: token('ES256', { header, payload, key: bound.privateKey }),
    };
    return codeOf(() => verifier.verifyWithExpiry(held, presentation));
  };

  it('by its key is accepted, whatever else it says that is true', async () => {
    expect(await show(jwk, 'ok')).toBe('accepted');
    const said = { ...jwk, use: 'sig', alg: 'ES256', key_ops: ['verify'] };
    expect(await show(said, 'said')).toBe('accepted');
  });

  it.each<[string, unknown]>([
    ['that is no point of its curve', { ...jwk, y: jwk.x }],
    ['of another curve', { ...jwk, crv: 'P-384' }],
    ['without its numbers', { kty: 'EC', crv: 'P-256' }],
    ['that is not base64', { ...jwk, x: '!' }],
    ['of a kind that is none', { kty: 'EC' }],
    ['with numbers for texts', { kty: 'EC', crv: 'P-256', x: 1, y: 2 }],
    ['of small order', { kty: 'OKP', crv: 'Ed25519', x: Buffer.alloc(32).toString('base64url') }],
    ['for encryption', { ...jwk, use: 'enc' }],
    ['for another algorithm', { ...jwk, alg: 'ES384' }],
    ['for another operation', { ...jwk, key_ops: ['encrypt'] }],
    ['that is private', bound.privateKey.export({ format: 'jwk' })],
  ])('by a key %s is refused as a proof', async (what, key) => {
    expect(await show(key, what)).toBe('invalid_dpop_proof');
  });
});
