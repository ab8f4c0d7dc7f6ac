import { CogmeshError } from '@cogmesh/errors';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { OutsideTokenVerifier, type IssuerRecord } from '../src/index.js';

interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const issA = 'https://a.example';
const issB = 'https://b.example';
const now = Math.floor(Date.now() / 1000);
const year = 365 * 86_400;

let keyA: KeyPair;
let keyB: KeyPair;
let recordA: IssuerRecord;
let recordB: IssuerRecord;

async function record(issuer: string, organisation: string, key: KeyPair): Promise<IssuerRecord> {
  const jwk = { ...(await exportJWK(key.publicKey)), kid: `${organisation}-1`, alg: 'EdDSA' };
  return {
    issuer,
    organisation,
    jwksJson: JSON.stringify({ keys: [jwk] }),
    algorithms: ['EdDSA'],
    audience: 'cogmesh',
    allowedRoles: ['analyst', 'auditor'],
    allowedAttributes: ['team'],
    maxTtlSeconds: 3600,
    suspended: false,
  };
}

const claims = (over: Record<string, unknown> = {}): JWTPayload =>
  JSON.parse(
    JSON.stringify({
      iss: issA,
      sub: 'ann',
      aud: 'cogmesh',
      iat: now,
      exp: now + 600,
      roles: ['analyst'],
      jti: 't1',
      ...over,
    }),
  ) as JWTPayload;

interface TokenParts {
  readonly payload?: JWTPayload;
  readonly header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  readonly key?: CryptoKey;
}

function sign({ payload = claims(), header = {}, key = keyA.privateKey }: TokenParts = {}): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'a-1', ...header }).sign(key);
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

async function refusal(token: string, verifier = new OutsideTokenVerifier([recordA, recordB])): Promise<CogmeshError> {
  const thrown: unknown = await verifier.verify(token).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CogmeshError);
  return thrown as CogmeshError;
}

beforeAll(async () => {
  keyA = await generateKeyPair('EdDSA', { extractable: true });
  keyB = await generateKeyPair('EdDSA', { extractable: true });
  recordA = await record(issA, 'a', keyA);
  recordB = await record(issB, 'b', keyB);
});

describe('a token is refused', () => {
  const cases: readonly [string, () => Promise<string>, string, RegExp][] = [
    [
      "signed by B's key, claiming A's issuer and B's kid",
      () => sign({ key: keyB.privateKey, header: { kid: 'b-1' } }),
      'invalid_token',
      /no key/,
    ],
    [
      "signed by B's key, claiming A's issuer and A's kid",
      () => sign({ key: keyB.privateKey }),
      'invalid_token',
      /signature/,
    ],
    ['without exp', () => sign({ payload: claims({ exp: undefined }) }), 'invalid_token', /"exp"/],
    ['without iat', () => sign({ payload: claims({ iat: undefined }) }), 'invalid_token', /"iat"/],
    [
      'good for 100 years',
      () => sign({ payload: claims({ exp: now + 100 * year }) }),
      'invalid_token',
      /at most 3600 s/,
    ],
    [
      'issued long ago with a far exp',
      () => sign({ payload: claims({ iat: now - year, exp: now + 60 }) }),
      'expired_token',
      /iat/,
    ],
    [
      'issued in the future',
      () => sign({ payload: claims({ iat: now + 600, exp: now + 900 }) }),
      'invalid_token',
      /"iat"/,
    ],
    [
      'expired beyond the skew',
      () => sign({ payload: claims({ iat: now - 100, exp: now - 31 }) }),
      'expired_token',
      /expired/,
    ],
    ['for another audience', () => sign({ payload: claims({ aud: 'elsewhere' }) }), 'invalid_token', /"aud"/],
    ['of an inside type', () => sign({ header: { typ: 'cogmesh-permit+jwt' } }), 'invalid_token', /type/],
    [
      'of an unknown issuer',
      () => sign({ payload: claims({ iss: 'https://c.example' }) }),
      'unknown_issuer',
      /c\.example/,
    ],
    [
      'whose issuer differs by a slash',
      () => sign({ payload: claims({ iss: `${issA}/` }) }),
      'unknown_issuer',
      /registered/,
    ],
    ['without issuer', () => sign({ payload: claims({ iss: undefined }) }), 'invalid_token', /names no issuer/],
    ['whose kid is a path', () => sign({ header: { kid: '../../keys/services/gateway' } }), 'invalid_token', /no key/],
    ['over the size cap', () => sign({ payload: claims({ pad: 'x'.repeat(9_000) }) }), 'invalid_token', /at most 8192/],
    [
      'with roles that are not a list',
      () => sign({ payload: claims({ roles: 'analyst' }) }),
      'invalid_token',
      /"roles"/,
    ],
    ['with a control character in sub', () => sign({ payload: claims({ sub: 'ann\n' }) }), 'invalid_token', /"sub"/],
    ['without sub', () => sign({ payload: claims({ sub: undefined }) }), 'invalid_token', /"sub"/],
    ['with a crit header', () => sign({ header: { crit: ['b64'], b64: true } }), 'invalid_token', /extensions/],
    ['that is no token', () => Promise.resolve('Basic YTpi'), 'invalid_token', /compact JWS/],
    [
      'unsigned (alg none)',
      () => Promise.resolve(`${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claims())}.`),
      'invalid_token',
      /compact JWS/,
    ],
    [
      'alg none with a made-up signature',
      () => Promise.resolve(`${encode({ alg: 'none' })}.${encode(claims())}.AAAA`),
      'invalid_token',
      /algorithm/,
    ],
    [
      'with a key it brings itself',
      async () =>
        sign({ key: keyB.privateKey, header: { jwk: await exportJWK(keyB.publicKey), jku: 'https://b.example/jwks' } }),
      'invalid_token',
      /signature/,
    ],
    [
      'HS256 over the public key (algorithm confusion)',
      () =>
        new SignJWT(claims())
          .setProtectedHeader({ alg: 'HS256', kid: 'a-1' })
          .sign(new TextEncoder().encode(recordA.jwksJson)),
      'invalid_token',
      /algorithm/,
    ],
    [
      'that names a key twice',
      async () => {
        const [header, , signature] = (await sign()).split('.');
        return `${header}.${encode(`{"iss":"${issA}","sub":"ann","s\\u0075b":"root"}`)}.${signature}`;
      },
      'invalid_token',
      /twice/,
    ],
    [
      'whose payload was changed',
      async () => {
        const [header, , signature] = (await sign()).split('.');
        return `${header}.${encode(claims({ sub: 'root' }))}.${signature}`;
      },
      'invalid_token',
      /signature/,
    ],
  ];
  it.each(cases)('%s', async (_name, make, code, sentence) => {
    const error = await refusal(await make());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(sentence);
  });

  it.each([
    ['holds a symmetric key', () => ({ ...recordA, jwksJson: JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA' }] }) })],
    ['accepts only HS256', () => ({ ...recordA, algorithms: ['HS256'] })],
    ['has no audience', () => ({ ...recordA, audience: '' })],
    ['is not JSON', () => ({ ...recordA, jwksJson: '{' })],
  ])('when its issuer record %s, and other issuers still work', async (_name, bad) => {
    const verifier = new OutsideTokenVerifier([bad(), recordB]);
    expect((await refusal(await sign(), verifier)).message).toMatch(/unusable/);
    const other = await sign({ payload: claims({ iss: issB }), key: keyB.privateKey, header: { kid: 'b-1' } });
    expect((await verifier.verify(other)).organisation).toBe('b');
  });

  it('when its issuer is suspended after it was verified', async () => {
    const verifier = new OutsideTokenVerifier([recordA]);
    const token = await sign();
    await verifier.verify(token);
    verifier.replaceIssuers([{ ...recordA, suspended: true }]);
    expect((await refusal(token, verifier)).code).toBe('unknown_issuer');
  });

  it('once it expires, although it was remembered', async () => {
    let time = now * 1000;
    const verifier = new OutsideTokenVerifier([recordA], { now: () => time });
    const token = await sign({ payload: claims({ exp: now + 5 }) });
    await verifier.verify(token);
    time += (5 + 30 + 1) * 1000;
    expect((await refusal(token, verifier)).code).toBe('expired_token');
  });
});

describe('a good token', () => {
  it('yields the organisation of the registry and the roles and attributes the record allows', async () => {
    const payload = claims({
      organisation: 'b',
      org_id: 'b',
      roles: ['root', 'auditor', 'analyst'],
      team: 'x',
      secret: 'y',
    });
    expect(await new OutsideTokenVerifier([recordA, recordB]).verify(await sign({ payload }))).toEqual({
      issuer: issA,
      sub: 'ann',
      organisation: 'a',
      roles: ['analyst', 'auditor'],
      tokenId: 't1',
      attributes: { team: 'x' },
    });
  });

  it.each([['at+jwt'], ['application/at+jwt'], ['JWT'], [undefined]])('may be of type %s', async (typ) => {
    const header = typ === undefined ? { typ: undefined } : { typ };
    const token = await new SignJWT(claims())
      .setProtectedHeader({ alg: 'EdDSA', kid: 'a-1', ...header } as JWTHeaderParameters)
      .sign(keyA.privateKey);
    expect((await new OutsideTokenVerifier([recordA]).verify(token)).sub).toBe('ann');
  });
});
