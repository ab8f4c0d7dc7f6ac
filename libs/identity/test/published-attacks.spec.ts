/**
 * Attacks on JWT verifiers that were published: RFC 8725, and the vulnerabilities of the known libraries. Each is tried on an
 * issuer of every kind of key; a token of the same issuer and key is accepted, so that no refusal is an accident.
 */
import { createHmac, generateKeyPairSync, sign as signBytes, type KeyObject } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { OutsideTokenVerifier, type IssuerRecord } from '../src/index.js';

interface Kind {
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const kinds: readonly Kind[] = [
  { alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2_048 }) },
  { alg: 'PS256', ...generateKeyPairSync('rsa', { modulusLength: 2_048 }) },
  { alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  { alg: 'EdDSA', ...generateKeyPairSync('ed25519') },
];

const now = Math.floor(Date.now() / 1_000);
const claims = { iss: 'https://a.example', sub: 'ann', aud: 'cogmesh', iat: now, exp: now + 600, jti: 'j' };
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function signature(kind: Kind, input: string): Buffer {
  const data = Buffer.from(input);
  if (kind.alg === 'EdDSA') return signBytes(null, data, kind.privateKey);
  if (kind.alg === 'ES256') return signBytes('sha256', data, { key: kind.privateKey, dsaEncoding: 'ieee-p1363' });
  const padding = kind.alg === 'PS256' ? { padding: 6, saltLength: 32 } : {};
  return signBytes('sha256', data, { key: kind.privateKey, ...padding });
}

/** Any header and any payload, genuinely signed. */
function token(
  kind: Kind,
  { header = {}, payload = claims }: { header?: object | string; payload?: unknown } = {},
): string {
  const head =
    typeof header === 'string' ? header : JSON.stringify({ alg: kind.alg, typ: 'at+jwt', kid: 'k', ...header });
  const input = `${encode(head)}.${encode(payload)}`;
  return `${input}.${signature(kind, input).toString('base64url')}`;
}

function record(kind: Kind): IssuerRecord {
  return {
    issuer: claims.iss,
    organisation: 'a',
    jwksJson: JSON.stringify({ keys: [{ ...kind.publicKey.export({ format: 'jwk' }), kid: 'k' }] }),
    algorithms: [kind.alg],
    audience: 'cogmesh',
    allowedRoles: ['admin'],
    allowedAttributes: [],
    maxTtlSeconds: 3_600,
    suspended: false,
  };
}

async function outcome(kind: Kind, text: string): Promise<string> {
  try {
    await new OutsideTokenVerifier([record(kind)]).verify(text);
    return 'accepted';
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return thrown.code;
  }
}

function signedWithSecret(header: object, secret: string | Buffer): string {
  const input = `${encode({ typ: 'at+jwt', kid: 'k', ...header })}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const parts = (text: string): [string, string, string] => text.split('.') as [string, string, string];
const attacker = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const attackerJwk = attacker.publicKey.export({ format: 'jwk' });
const by = (key: KeyObject, header: object): string =>
  token({ alg: 'RS256', privateKey: key, publicKey: attacker.publicKey }, { header });

const attacks: readonly [string, (kind: Kind) => string][] = [
  ...['none', 'None', 'NONE', 'nOnE', '', ' none'].flatMap((alg): [string, (kind: Kind) => string][] => [
    [`alg "${alg}" without a signature (CVE-2015-9235)`, () => `${encode({ alg, kid: 'k' })}.${encode(claims)}.`],
    [
      `alg "${alg}" with a kept signature`,
      (kind) => `${encode({ alg, kid: 'k' })}.${encode(claims)}.${parts(token(kind))[2]}`,
    ],
  ]),
  ['without alg', (kind) => token(kind, { header: '{"typ":"at+jwt","kid":"k"}' })],
  ['with a list as alg', (kind) => token(kind, { header: { alg: [kind.alg] } })],
  ['with null as alg', (kind) => token(kind, { header: { alg: null } })],
  ['without the signature (CVE-2020-28042)', (kind) => parts(token(kind)).slice(0, 2).join('.')],
  ['with an empty signature', (kind) => `${parts(token(kind)).slice(0, 2).join('.')}.`],
  [
    'with a signature of zeros (CVE-2022-21449)',
    (kind) =>
      `${parts(token(kind)).slice(0, 2).join('.')}.${Buffer.alloc(kind.alg.startsWith('E') ? 64 : 256).toString('base64url')}`,
  ],
  ['with a signature cut short', (kind) => token(kind).slice(0, -8)],
  ['with a byte more', (kind) => `${token(kind)}AAAA`],
  [
    'with the signature of another token',
    (kind) =>
      [...parts(token(kind)).slice(0, 2), parts(token(kind, { payload: { ...claims, sub: 'bob' } }))[2]].join('.'),
  ],
  [
    'with the header changed',
    (kind) => [encode({ alg: kind.alg, typ: 'at+jwt', kid: 'k', x: 1 }), ...parts(token(kind)).slice(1)].join('.'),
  ],
  ...(['pem', 'der', 'jwk'] as const).map((form): [string, (kind: Kind) => string] => [
    `HS256 with the public key as secret, ${form} (CVE-2016-5431)`,
    ({ publicKey }) => signedWithSecret({ alg: 'HS256' }, secretOf(publicKey, form)),
  ]),
  ['HS256 with the empty secret', () => signedWithSecret({ alg: 'HS256' }, '')],
  ['HS256 with the kid as secret', () => signedWithSecret({ alg: 'HS256', kid: 'k' }, 'k')],
  ['a key in the header (CVE-2018-0114)', () => by(attacker.privateKey, { alg: 'RS256', jwk: attackerJwk })],
  [
    'a key in the header under the issuer’s kid',
    () => by(attacker.privateKey, { alg: 'RS256', kid: 'k', jwk: { ...attackerJwk, kid: 'k' } }),
  ],
  ['jku that leads elsewhere', () => by(attacker.privateKey, { alg: 'RS256', jku: 'https://evil.example/jwks' })],
  ['x5u that leads elsewhere', () => by(attacker.privateKey, { alg: 'RS256', x5u: 'https://evil.example/cert' })],
  [
    'a certificate in the header',
    () =>
      by(attacker.privateKey, {
        alg: 'RS256',
        x5c: [attacker.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')],
      }),
  ],
  ...[
    '../../../../dev/null',
    '/dev/null',
    "k' UNION SELECT 'AAAA",
    'https://evil.example/key',
    '__proto__',
    'constructor',
    '',
  ].map((kid): [string, (kind: Kind) => string] => [
    `the kid ${JSON.stringify(kid)}`,
    () => by(attacker.privateKey, { alg: 'RS256', kid }),
  ]),
  ['a kid that is a number', (kind) => token(kind, { header: { kid: 0 } })],
  ['a kid that is an object', (kind) => token(kind, { header: { kid: { toString: 'k' } } })],
  ['crit with what nobody knows', (kind) => token(kind, { header: { crit: ['exp'], exp: 1 } })],
  ['crit that is empty', (kind) => token(kind, { header: { crit: [] } })],
  ['an unencoded payload (RFC 7797)', (kind) => token(kind, { header: { b64: false, crit: ['b64'] } })],
  ['alg twice', (kind) => token(kind, { header: `{"alg":"none","typ":"at+jwt","kid":"k","alg":"${kind.alg}"}` })],
  ['sub twice', (kind) => token(kind, { payload: JSON.stringify(claims).replace('{', '{"sub":"root",') })],
  [
    'sub twice, once escaped',
    (kind) => token(kind, { payload: JSON.stringify(claims).replace('{', '{"s\\u0075b":"root",') }),
  ],
  ['claims that are a list', (kind) => token(kind, { payload: [claims] })],
  ['claims that are a text', (kind) => token(kind, { payload: JSON.stringify('claims') })],
  ['claims that are null', (kind) => token(kind, { payload: 'null' })],
  [
    'claims that are not UTF-8',
    (kind) => token(kind).replace(/\.[^.]+\./, `.${Buffer.from([0xff, 0xfe]).toString('base64url')}.`),
  ],
  ['another issuer', (kind) => token(kind, { payload: { ...claims, iss: 'https://b.example' } })],
  ['an issuer in a list', (kind) => token(kind, { payload: { ...claims, iss: [claims.iss] } })],
  ['an issuer with a slash more', (kind) => token(kind, { payload: { ...claims, iss: `${claims.iss}/` } })],
  ['an issuer in capitals', (kind) => token(kind, { payload: { ...claims, iss: 'https://A.example' } })],
  ['no audience', (kind) => token(kind, { payload: { ...claims, aud: undefined } })],
  ['an empty list of audiences', (kind) => token(kind, { payload: { ...claims, aud: [] } })],
  [
    'an audience that only begins alike',
    (kind) => token(kind, { payload: { ...claims, aud: 'cogmesh.evil.example' } }),
  ],
  ['an audience that is an object', (kind) => token(kind, { payload: { ...claims, aud: { cogmesh: 1 } } })],
  ['no end', (kind) => token(kind, { payload: { ...claims, exp: undefined } })],
  ['an end that is a text', (kind) => token(kind, { payload: { ...claims, exp: String(now + 600) } })],
  ['an end that is null', (kind) => token(kind, { payload: { ...claims, exp: null } })],
  [
    'an end beyond all numbers',
    (kind) => token(kind, { payload: JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999') }),
  ],
  [
    'a beginning before all numbers',
    (kind) => token(kind, { payload: JSON.stringify(claims).replace(/"iat":\d+/, '"iat":-1e999') }),
  ],
  ['an end below zero', (kind) => token(kind, { payload: { ...claims, exp: -1 } })],
  ['a start that is not yet', (kind) => token(kind, { payload: { ...claims, nbf: now + 600 } })],
  ['a start that is a text', (kind) => token(kind, { payload: { ...claims, nbf: 'now' } })],
  ['an ID token’s type', (kind) => token(kind, { header: { typ: 'id_token+jwt' } })],
  ['a logout token’s type', (kind) => token(kind, { header: { typ: 'logout+jwt' } })],
  ['a DPoP proof’s type', (kind) => token(kind, { header: { typ: 'dpop+jwt' } })],
  ['a type that is an object', (kind) => token(kind, { header: { typ: {} } })],
  [
    'the JSON serialisation',
    (kind) => {
      const [header, payload, signed] = parts(token(kind));
      return JSON.stringify({ protected: header, payload, signature: signed });
    },
  ],
  ['five parts, as if encrypted', (kind) => `${token(kind)}.AAAA.AAAA`],
  ['padding', (kind) => `${token(kind)}==`],
  ['spaces around', (kind) => ` ${token(kind)} `],
  [
    'the other alphabet of base64',
    (kind) => `${token(kind, { payload: { ...claims, pad: '???>>>' } }).replaceAll('_', '/')}+/`,
  ],
  [
    'a key that another algorithm uses',
    (kind) => token(kind, { header: { alg: kind.alg === 'RS256' ? 'PS256' : 'RS256' } }),
  ],
  [
    'the same algorithm, longer',
    (kind) => token(kind, { header: { alg: kind.alg.replace('256', '512') + (kind.alg === 'EdDSA' ? 'x' : '') } }),
  ],
  [
    'keys of Object.prototype as roles',
    (kind) => token(kind, { payload: { ...claims, roles: { __proto__: ['admin'] } } }),
  ],
];

function secretOf(publicKey: KeyObject, form: 'pem' | 'der' | 'jwk'): string | Buffer {
  if (form === 'jwk') return JSON.stringify(publicKey.export({ format: 'jwk' }));
  return form === 'pem'
    ? publicKey.export({ type: 'spki', format: 'pem' })
    : publicKey.export({ type: 'spki', format: 'der' });
}

describe.each(kinds.map((kind) => [kind.alg, kind] as const))('an issuer that signs with %s', (_alg, kind) => {
  it('is verified', async () => {
    expect(await outcome(kind, token(kind))).toBe('accepted');
  });

  it.each(attacks)('refuses a token with %s', async (_name, make) => {
    expect(await outcome(kind, make(kind))).toMatch(/^(invalid_token|expired_token|unknown_issuer)$/);
  });
});
