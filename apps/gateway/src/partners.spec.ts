/** Token exchange and tokens that are bound to a key, on the real gateway. */
import { createHash } from 'node:crypto';
import { gatewayV1 } from '@cogmesh/contracts';
import { toCogmeshError } from '@cogmesh/errors';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { createClient, openChannel } from '@cogmesh/rpc';
import { CogmeshClient, DpopKey } from '@cogmesh/sdk';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { FastifyRequest } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presented } from './http/presented.js';
import { GatewayWorld, type Who } from '../test/gateway-world.js';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
let world: GatewayWorld;
let key: { readonly privateKey: CryptoKey; readonly jwk: JWK };

beforeAll(async () => {
  world = await GatewayWorld.start();
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  key = { privateKey, jwk: await exportJWK(publicKey) };
});
afterAll(() => world.stop());

interface ProofParts {
  readonly method?: string;
  readonly token?: string;
  readonly origin?: string;
}

function proof(where: string, { method = 'GET', token, origin = world.url }: ProofParts = {}): Promise<string> {
  const ath = token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') };
  const claims = { htm: method, htu: `${origin}${where}`, jti: String(Math.random()), ...ath };
  return new SignJWT({ ...claims, iat: Math.floor(Date.now() / 1_000) })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk })
    .sign(key.privateKey);
}

function whoami(scheme: string, token: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${world.url}/v1/whoami`, { headers: { authorization: `${scheme} ${token}`, ...headers } });
}

interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: string;
  readonly scope: string;
  readonly expires_in: number;
  readonly error: string;
  readonly error_description: string;
}

async function exchange(
  fields: Readonly<Record<string, string>>,
  headers: Record<string, string> = {},
): Promise<{ status: number; answer: TokenAnswer; cache: string | null }> {
  const all = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', ...fields };
  const response = await fetch(`${world.url}/v1/token`, { method: 'POST', body: new URLSearchParams(all), headers });
  return {
    status: response.status,
    answer: (await response.json()) as TokenAnswer,
    cache: response.headers.get('cache-control'),
  };
}

const subject = async (who: Who) => ({ subject_token: await world.token(who), subject_token_type: accessToken });
const actor = async (who: Who) => ({ actor_token: await world.token(who), actor_token_type: accessToken });

const boundToken = async (jkt?: string) =>
  mintDevelopmentToken(world.keysDir, {
    issuerName: 'globex',
    sub: 'member',
    roles: ['member'],
    ttlSeconds: 600,
    claims: { cnf: { jkt: jkt ?? (await calculateJwkThumbprint(key.jwk)) } },
  });

describe('a token bound to a key', () => {
  it('is accepted with a proof for this request, once', async () => {
    const token = await boundToken();
    const dpop = await proof('/v1/whoami', { token });
    expect((await whoami('DPoP', token, { dpop })).status).toBe(200);
    const again = await whoami('DPoP', token, { dpop });
    expect(again.status).toBe(401);
    expect(again.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_dpop_proof".*algs="ES256/);
    expect(await again.json()).toMatchObject({ code: 'invalid_dpop_proof' });
  });

  it('is refused as a bearer token, and with a proof for another place', async () => {
    const token = await boundToken();
    const codes = [
      await whoami('Bearer', token),
      await whoami('Bearer', token, { dpop: await proof('/v1/whoami', { token }) }),
      await whoami('DPoP', token),
      await whoami('DPoP', token, { dpop: await proof('/v1/runs', { token }) }),
      await whoami('DPoP', token, { dpop: await proof('/v1/whoami') }),
    ];
    for (const response of codes) expect(response.status).toBe(401);
    const plain = await world.token('member');
    expect((await whoami('DPoP', plain, { dpop: await proof('/v1/whoami', { token: plain }) })).status).toBe(401);
  });
});

describe('a token bound to a key, over gRPC', () => {
  const method = `/${gatewayV1.GatewayService.typeName}/ListRuns`;
  const origin = () => `http://${world.grpc.startsWith('unix:') ? 'localhost' : world.grpc}`;

  async function codeOf(scheme: string, parts: ProofParts & { readonly where?: string; readonly none?: boolean } = {}) {
    const channel = openChannel({ target: world.grpc });
    const token = await boundToken();
    const { where = method, none = false, ...rest } = parts;
    const dpop = await proof(where, { method: 'POST', token, origin: origin(), ...rest });
    const metadata = { authorization: `${scheme} ${token}`, ...(none ? {} : { dpop }) };
    const ask = () => createClient(gatewayV1.GatewayService, channel).listRuns({}, { metadata });
    const first = await codeIn(ask);
    const second = await codeIn(ask);
    channel.close();
    return [first, second];
  }

  it('is accepted with a proof for this method, once', async () => {
    expect(await codeOf('DPoP')).toEqual(['ok', 'invalid_dpop_proof']);
  });

  it.each([
    ['as a bearer token', 'Bearer', {}],
    ['without a proof', 'DPoP', { none: true }],
    ['with a proof for another method', 'DPoP', { where: `/${gatewayV1.GatewayService.typeName}/GetRun` }],
    ['with a proof for GET', 'DPoP', { method: 'GET' }],
    ['with a proof for another host', 'DPoP', { origin: 'http://127.0.0.1:1' }],
    ['with a proof for another token', 'DPoP', { token: 'another' }],
  ])('is refused %s', async (_, scheme, parts) => {
    expect((await codeOf(scheme, parts))[0]).toBe('invalid_dpop_proof');
  });
});

async function codeIn(ask: () => Promise<unknown>): Promise<string> {
  try {
    await ask();
    return 'ok';
  } catch (error) {
    return toCogmeshError(error).code;
  }
}

it('the client of the SDK proves its key at each request, and its proofs serve gRPC too', async () => {
  const dpop = new DpopKey();
  const token = await boundToken(dpop.thumbprint);
  const client = new CogmeshClient({ baseUrl: world.url, token, dpop, maxRetries: 0 });
  expect((await client.whoami()).sub).toBe('member');
  expect((await client.whoami()).sub).toBe('member');
  const bearer = new CogmeshClient({ baseUrl: world.url, token, maxRetries: 0 });
  await expect(bearer.whoami()).rejects.toMatchObject({ code: 'invalid_dpop_proof' });
  const other = new CogmeshClient({ baseUrl: world.url, token, dpop: new DpopKey(), maxRetries: 0 });
  await expect(other.whoami()).rejects.toMatchObject({ code: 'invalid_dpop_proof' });

  const channel = openChannel({ target: world.grpc });
  const host = world.grpc.startsWith('unix:') ? 'localhost' : world.grpc;
  const url = `http://${host}/${gatewayV1.GatewayService.typeName}/ListRuns`;
  const metadata = { authorization: `DPoP ${token}`, dpop: dpop.proof({ method: 'POST', url, token }) };
  const runs = createClient(gatewayV1.GatewayService, channel).listRuns({}, { metadata });
  await expect(runs.finally(() => channel.close())).resolves.toBeDefined();
});

describe('the place that a proof must name', () => {
  const place = { publicUrl: '', tlsTerminated: false, tlsCert: '' };
  const urlOf = (host: string, over: Partial<typeof place> = {}) =>
    presented({ method: 'GET', url: '/v1/runs?a=1', headers: { host } } as FastifyRequest, { ...place, ...over }).url;

  it('is what is configured, else a loopback name, and none that only the request knows', () => {
    expect(urlOf('127.0.0.1:7000')).toBe('http://127.0.0.1:7000/v1/runs?a=1');
    expect(urlOf('[::1]:7000', { tlsTerminated: true })).toBe('https://[::1]:7000/v1/runs?a=1');
    expect(urlOf('evil.example', { publicUrl: 'https://mesh.example/' })).toBe('https://mesh.example/v1/runs?a=1');
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost@evil.example', ''])
      expect(urlOf(host)).toBe('');
  });
});

describe('token exchange', () => {
  it('gives a token that acts for the subject and names who acts', async () => {
    const { status, answer, cache } = await exchange({ ...(await subject('member')), ...(await actor('acme')) });
    expect({ status, cache }).toEqual({ status: 200, cache: 'no-store' });
    expect(answer).toMatchObject({ issued_token_type: accessToken, token_type: 'Bearer', scope: 'member' });
    expect(answer.expires_in).toBeGreaterThan(200);
    const payload = JSON.parse(Buffer.from(answer.access_token.split('.')[1] ?? '', 'base64url').toString()) as object;
    expect(payload).toMatchObject({
      sub: 'member',
      organisation: 'globex',
      act: { sub: 'acme', organisation: 'acme' },
    });
    const seen = await whoami('Bearer', answer.access_token);
    expect(await seen.json()).toMatchObject({ sub: 'member', organisation: 'globex', roles: ['member'] });
    const runs = await fetch(`${world.url}/v1/runs`, { headers: { authorization: `Bearer ${answer.access_token}` } });
    expect(runs.status).toBe(200);
  });

  it('chains actors, and binds to a key', async () => {
    const once = await exchange({ ...(await subject('member')), ...(await actor('acme')) });
    const twice = await exchange(
      { subject_token: once.answer.access_token, subject_token_type: accessToken, ...(await actor('member')) },
      { dpop: await proof('/v1/token', { method: 'POST' }) },
    );
    expect(twice.answer.token_type).toBe('DPoP');
    const token = twice.answer.access_token;
    expect((await whoami('Bearer', token)).status).toBe(401);
    expect((await whoami('DPoP', token, { dpop: await proof('/v1/whoami', { token }) })).status).toBe(200);
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { act: object };
    expect(payload.act).toMatchObject({ sub: 'member', act: { sub: 'acme' } });
  });

  const other = 'urn:ietf:params:oauth:grant-type:client_credentials';
  const cases: readonly [string, () => Promise<Record<string, string>>, string][] = [
    ['another grant', async () => ({ ...(await subject('member')), grant_type: other }), 'unsupported_grant_type'],
    ['no subject', async () => ({ ...(await actor('acme')) }), 'invalid_request'],
    ['no type', async () => ({ subject_token: await world.token('member') }), 'invalid_request'],
    [
      'a type without a token',
      async () => ({ ...(await subject('member')), actor_token_type: accessToken }),
      'invalid_request',
    ],
    ['an expired subject', () => subject('expired'), 'invalid_request'],
    ['a forged subject', () => subject('forged'), 'invalid_request'],
    ['a subject of nobody', () => subject('rogue'), 'invalid_request'],
    ['a forged actor', async () => ({ ...(await subject('member')), ...(await actor('forged')) }), 'invalid_request'],
    [
      'an actor without the right',
      async () => ({ ...(await subject('member')), ...(await actor('guest')) }),
      'unauthorized_client',
    ],
    [
      'a role that nobody holds',
      async () => ({ ...(await subject('member')), scope: 'member admin' }),
      'invalid_scope',
    ],
    ['another audience', async () => ({ ...(await subject('member')), audience: 'elsewhere' }), 'invalid_target'],
    ['a resource', async () => ({ ...(await subject('member')), resource: 'https://x.example' }), 'invalid_target'],
    [
      'a refresh token',
      async () => ({
        ...(await subject('member')),
        requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
      }),
      'invalid_request',
    ],
  ];
  it.each(cases)('refuses %s', async (_what, fields, error) => {
    const { status, answer } = await exchange(await fields());
    expect({ status, error: answer.error }).toEqual({ status: 400, error });
    expect(answer.error_description).not.toBe('');
  });

  it('keeps only the roles that were asked for', async () => {
    const { answer } = await exchange({ ...(await subject('member')), scope: '' });
    expect(answer.scope).toBe('member');
  });

  it('refuses the token of a subject that lets somebody else act for it', async () => {
    const mint = (may_act: object) =>
      mintDevelopmentToken(world.keysDir, {
        issuerName: 'globex',
        sub: 'member',
        roles: ['member'],
        ttlSeconds: 600,
        claims: { may_act },
      });
    const acme = JSON.parse(Buffer.from((await world.token('acme')).split('.')[1] ?? '', 'base64url').toString()) as {
      iss: string;
    };
    const ask = async (may_act: object) =>
      (
        await exchange({
          subject_token: await mint(may_act),
          subject_token_type: accessToken,
          ...(await actor('acme')),
        })
      ).status;
    expect(await ask({ iss: acme.iss, sub: 'acme' })).toBe(200);
    expect(await ask({ sub: 'acme' })).toBe(400);
    expect(await ask({ iss: acme.iss, sub: 'other' })).toBe(400);
    expect(await ask([])).toBe(400);
  });

  it('takes a form, and each parameter once', async () => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...(await subject('member')),
    });
    form.append('subject_token', 'another');
    const twice = await fetch(`${world.url}/v1/token`, { method: 'POST', body: form });
    expect(await twice.json()).toMatchObject({ error: 'invalid_request' });
    const json = await fetch(`${world.url}/v1/token`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(json.status).toBe(415);
  });
});
