import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CogmeshError } from '@cogmesh/errors';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fetchKeySet, jwksUriProblem } from '../src/fetch-key-set.js';
import { OutsideTokenVerifier, type IssuerRecord } from '../src/index.js';

interface Pair {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

const iss = 'https://login.example';
const minute = 60_000;
let pairs: readonly Pair[];

/** What the issuer publishes, how often it was asked, and the time. */
let published: () => string;
let asked: number;
let nowMs: number;

beforeAll(async () => {
  pairs = await Promise.all(
    ['one', 'two', 'three'].map(async (kid) => {
      const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
      return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA' } };
    }),
  );
});
beforeEach(() => {
  asked = 0;
  nowMs = Date.now();
  published = publish(pair(0));
});

const pair = (at: number): Pair => pairs[at] ?? (pairs[0] as Pair);
const publish =
  (...some: readonly { readonly jwk: JWK }[]) =>
  () =>
    JSON.stringify({ keys: some.map(({ jwk }) => jwk) });

const record = (over: Partial<IssuerRecord> = {}): IssuerRecord => ({
  issuer: iss,
  organisation: 'a',
  jwksJson: '',
  jwksUri: 'https://login.example/jwks',
  algorithms: ['EdDSA'],
  audience: 'cogmesh',
  allowedRoles: [],
  allowedAttributes: [],
  maxTtlSeconds: 3_600,
  suspended: false,
  keyOverlapSeconds: 300,
  ...over,
});

function verifierOf(over: Partial<IssuerRecord> = {}): OutsideTokenVerifier {
  return new OutsideTokenVerifier([record(over)], {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    fetchKeys: async () => {
      asked += 1;
      return published();
    },
  });
}

function token({ kid, privateKey }: Pair, { kid: named = kid, iatMs = nowMs } = {}): Promise<string> {
  const iat = Math.floor(iatMs / 1_000);
  return new SignJWT({ iss, sub: 'ann', aud: 'cogmesh', iat, exp: iat + 3_000, jti: String(Math.random()) })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: named })
    .sign(privateKey);
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (thrown: unknown) => (thrown instanceof CogmeshError ? thrown.code : String(thrown)),
  );

describe('published keys', () => {
  it('are fetched once for many tokens, and again when they are due', async () => {
    const verifier = verifierOf();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => token(pair(0))));
    await Promise.all(tokens.map((one) => verifier.verify(one)));
    expect(asked).toBe(1);
    nowMs += 6 * minute;
    await verifier.verify(await token(pair(0)));
    expect(asked).toBe(2);
  });

  it('survive a change of the registry that does not touch them', async () => {
    const verifier = verifierOf();
    await verifier.verify(await token(pair(0)));
    verifier.replaceIssuers([record({ maxTtlSeconds: 3_500 })]);
    await verifier.verify(await token(pair(0)));
    expect(asked).toBe(1);
  });

  it('are looked for when a token names a new one, at most as often as the budget allows', async () => {
    const verifier = verifierOf();
    await verifier.verify(await token(pair(0)));
    published = publish(pair(0), pair(1));
    expect(await codeOf(verifier.verify(await token(pair(1))))).toBe('accepted');
    expect(asked).toBe(2);
    for (let i = 0; i < 50; i += 1)
      expect(await codeOf(verifier.verify(await token(pair(2), { kid: `made-up-${i}` })))).toBe('invalid_token');
    expect(asked).toBe(3);
    nowMs += 10_000;
    expect(await codeOf(verifier.verify(await token(pair(2), { kid: 'again' })))).toBe('invalid_token');
    expect(asked).toBe(4);
  });

  it('that left still verify what they signed before, for the overlap, and nothing they signed after', async () => {
    const verifier = verifierOf();
    const [before, later] = [await token(pair(0)), await token(pair(0))];
    await verifier.verify(before);
    published = publish(pair(1));
    await verifier.verify(await token(pair(1)));
    expect(await codeOf(verifier.verify(before))).toBe('accepted');
    expect(await codeOf(verifier.verify(later))).toBe('accepted');
    nowMs += minute;
    expect(await codeOf(verifier.verify(await token(pair(0))))).toBe('invalid_token');
    nowMs += 5 * minute;
    expect(await codeOf(verifier.verify(before))).toBe('invalid_token');
    expect(await codeOf(verifier.verify(later))).toBe('invalid_token');
  });

  it('that left are gone at once without an overlap, or when another took their name', async () => {
    const without = verifierOf({ keyOverlapSeconds: 0 });
    const signed = await token(pair(0));
    await without.verify(signed);
    published = publish(pair(1));
    await without.verify(await token(pair(1)));
    expect(await codeOf(without.verify(signed))).toBe('invalid_token');

    published = publish(pair(0));
    const renamed = verifierOf();
    await renamed.verify(signed);
    published = publish({ jwk: { ...pair(1).jwk, kid: 'one' } }, pair(2));
    await renamed.verify(await token(pair(2)));
    expect(await codeOf(renamed.verify(signed))).toBe('invalid_token');
  });

  it('serve through an outage for the grace, then nobody is told that a good token is bad', async () => {
    const verifier = verifierOf();
    const signed = await token(pair(0));
    await verifier.verify(signed);
    published = () => {
      throw new Error('away');
    };
    nowMs += 20 * minute;
    expect(await codeOf(verifier.verify(await token(pair(0))))).toBe('accepted');
    nowMs += 46 * minute;
    expect(await codeOf(verifier.verify(await token(pair(0))))).toBe('unavailable');
    published = publish(pair(0));
    nowMs += 10_000;
    expect(await codeOf(verifier.verify(await token(pair(0))))).toBe('accepted');
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['a list', '[]'],
    ['no keys', '{"keys":[]}'],
    ['a secret', '{"keys":[{"kty":"oct","k":"AAAA","kid":"one"}]}'],
    ['a private key', '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA","kid":"one"}]}'],
    ['a weak key', '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"one"}]}'],
    ['a key twice said', '{"keys":[],"keys":[{"kty":"EC"}]}'],
  ])('are none when the issuer publishes %s', async (_what, text) => {
    published = () => text;
    expect(await codeOf(verifierOf().verify(await token(pair(0))))).toBe('unavailable');
  });
});

describe('a key set behind a URI', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  }
  const read = (uri: string) => fetchKeySet(uri, { allowPrivate: true, timeoutMs: 300 });

  it('is read as it is', async () => {
    const uri = await serve((_request, response) => response.end('{"keys":[]}'));
    expect(await read(uri)).toBe('{"keys":[]}');
  });

  it('is not read from where a redirect leads', async () => {
    const other = await serve((_request, response) => response.end('{"keys":[]}'));
    for (const status of [301, 302, 303, 307, 308]) {
      const uri = await serve((_request, response) => response.writeHead(status, { location: other }).end());
      await expect(read(uri)).rejects.toThrow('redirect');
    }
  });

  it.each([
    [
      'an error',
      (response: Parameters<RequestListener>[1]) => void response.writeHead(500).end('{"keys":[]}'),
      'is 500',
    ],
    ['too much', (response: Parameters<RequestListener>[1]) => void response.end('x'.repeat(70_000)), 'over 65536'],
    [
      'it packed',
      (response: Parameters<RequestListener>[1]) =>
        void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      'compressed',
    ],
    ['half of it', (response: Parameters<RequestListener>[1]) => void response.write('{"keys"'), 'in time'],
  ])('is refused when the answer is %s', async (_what, answer, message) => {
    const uri = await serve((_request, response) => answer(response));
    await expect(read(uri)).rejects.toThrow(message);
  });

  it.each([
    'http://login.example/jwks',
    'https://127.0.0.1/jwks',
    'https://[::1]/jwks',
    'https://169.254.169.254/latest',
    'https://10.0.0.1/jwks',
    'https://0x7f000001/jwks',
    'https://user:secret@login.example/jwks',
    'https://login.example/jwks#key',
    'file:///etc/passwd',
    'data:application/json,{}',
    'jwks',
    '',
  ])('cannot be at %s', (uri) => {
    expect(jwksUriProblem(uri, { allowPrivate: false })).toBeDefined();
  });

  it('is not reached by a name that leads into our network', async () => {
    await expect(fetchKeySet('https://localhost:1/jwks', { allowPrivate: false })).rejects.toThrow('public internet');
  });
});
