/**
 * Tokens of a real OpenID provider on the product as a person starts it: an administrator registers the issuer, a user logs
 * in and works, keys rotate, tokens are refreshed and bound to keys, partners are granted rights and lose them.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CogmeshClient, type GrantView, type IssuerView } from '@cogmesh/sdk';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUp, type AllInOne } from './src/all-in-one.js';
import { logIn, refresh } from './src/browser-login.js';
import { startOpenIdProvider, type OpenIdProvider } from './src/openid-provider.js';
import { until } from './src/poll.js';
import { cleanEnvironment, mainOf, runCommand } from './src/processes.js';
import { refusalOf } from './src/refusal.js';
import { createWorld, type Organisation, type World } from './src/world.js';

let world: World;
let mesh: AllInOne;
let provider: OpenIdProvider;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cogmesh-identity-'));
  provider = await startOpenIdProvider();
  world = await createWorld({ partners: ['globex', 'initech'], policiesOf });
  mesh = await startUp(world, {
    environment: { COGMESH_ISSUER_PRIVATE_ADDRESSES: '1', COGMESH_ISSUER_KEYS_FETCH_EVERY_MS: '100' },
  });
});
afterAll(async () => {
  await mesh?.stop();
  await provider?.stop();
  await world?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Everybody's administrators manage what is theirs, and readers use what they were granted. */
function policiesOf(organisation: Organisation) {
  const within = `org_id == '${organisation}'`;
  return {
    roles: { admin: {}, reader: {}, operator: {} },
    policies: [
      { id: 'admins', policy: `${within} && role == 'admin'`, permissions: ['*'], resources: ['/**'] },
      {
        id: 'readers',
        policy: `${within} && role == 'reader'`,
        permissions: ['*'],
        resources: ['/runs/**', '/models/**'],
      },
      ...(organisation === 'globex'
        ? [
            {
              id: 'portal',
              policy: "org_id == 'acme' && sub == 'operator-of-acme'",
              permissions: ['act'],
              resources: ['/organisations/globex'],
            },
          ]
        : []),
      {
        id: 'portals',
        policy: `${within} && role == 'operator'`,
        permissions: ['act'],
        resources: ['/organisations/*'],
      },
      ...(organisation === 'acme'
        ? [
            {
              id: 'partners',
              policy: "org_id in ['globex', 'initech'] && role == 'reader'",
              permissions: ['infer'],
              resources: ['/models/acme/**'],
            },
          ]
        : []),
    ],
  };
}

async function cogmesh(organisation: Organisation, ...args: string[]): Promise<unknown> {
  const environment = {
    ...cleanEnvironment(),
    COGMESH_URL: mesh.url,
    COGMESH_TOKEN: await world.token(organisation, 'admin'),
  };
  const result = await runCommand(process.execPath, ['--no-warnings', mainOf('cli'), '--json', ...args], {
    environment,
  });
  const answer = JSON.parse(result.stdout) as { error?: { message: string } };
  if (result.code !== 0) throw new Error(answer.error?.message ?? result.stderr);
  return answer;
}

const clientOf = (token: string) => new CogmeshClient({ baseUrl: mesh.url, token, maxRetries: 0 });
const whoami = (token: string) => clientOf(token).whoami();
const codeOf = async (token: string): Promise<string> => {
  const outcome = await whoami(token).then(
    () => 'accepted',
    (thrown: unknown) => (thrown as { code: string }).code,
  );
  return outcome;
};

describe('an OpenID provider', () => {
  it('is nobody until an administrator registers it', async () => {
    const { access_token } = await logIn(provider, 'ann');
    expect(await refusalOf(whoami(access_token))).toMatchObject({ code: 'unknown_issuer' });
    const file = join(folder, 'issuer.json');
    const record = {
      issuer: provider.issuer,
      organisation: 'globex',
      jwksUri: provider.jwksUri,
      algorithms: ['ES256'],
      audience: 'cogmesh',
      allowedRoles: ['reader'],
      allowedAttributes: ['team'],
      profile: 'at+jwt',
      claimMap: {
        roles: '/realm/groups',
        roleNames: { 'Mesh Readers': 'reader', 'Mesh Admins': 'admin' },
        attributes: { team: 'department' },
      },
      keyOverlapSeconds: 300,
    };
    await writeFile(file, JSON.stringify(record));
    const kept = (await cogmesh('globex', 'issuers', 'put', file)) as IssuerView;
    expect(kept).toMatchObject({ issuer: provider.issuer, jwksUri: provider.jwksUri, suspended: false });
    await until('the gateway knows the issuer', async () => (await codeOf(access_token)) === 'accepted');
    expect(await whoami(access_token)).toMatchObject({
      issuer: provider.issuer,
      sub: 'ann',
      organisation: 'globex',
      roles: ['reader'],
      attributes: { team: 'payables' },
    });
  });

  it('has users who work: a run, made and ended', async () => {
    const client = clientOf((await logIn(provider, 'ben')).access_token);
    const run = await client.submitRun({
      tasks: [{ id: 'a', uses: 'script', script: 'return 7' }],
      output: '${{ tasks.a.output }}',
    });
    expect(await client.waitForRun(run.id, { timeoutMs: 30_000 })).toMatchObject({
      state: 'SUCCEEDED',
      output: 7,
      organisation: 'globex',
    });
  });

  it('gives ID tokens, which are no access tokens', async () => {
    const { id_token } = await logIn(provider, 'ann');
    expect(await codeOf(id_token)).toBe('invalid_token');
  });

  it('refreshes tokens', async () => {
    const first = await logIn(provider, 'cid');
    const second = await refresh(provider, first);
    expect(second.access_token).not.toBe(first.access_token);
    expect(await whoami(second.access_token)).toMatchObject({ sub: 'cid', organisation: 'globex' });
  });

  it('rotates its keys, beside the old ones and without them', async () => {
    const before = await logIn(provider, 'ann');
    expect(await codeOf(before.access_token)).toBe('accepted');
    await provider.rotate({ keep: true });
    const beside = await refresh(provider, before);
    expect(await codeOf(beside.access_token)).toBe('accepted');
    expect(await codeOf(before.access_token)).toBe('accepted');
    await provider.rotate();
    const after = await logIn(provider, 'ann');
    expect(await codeOf(after.access_token)).toBe('accepted');
    // Signed before its key left, and within the overlap.
    expect(await codeOf(beside.access_token)).toBe('accepted');
  });

  it('is not asked for keys by whoever makes kids up', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const iat = Math.floor(Date.now() / 1_000);
    const claims = { iss: provider.issuer, sub: 'mallory', aud: 'cogmesh', client_id: 'x', iat, exp: iat + 60 };
    const forged = (kid: string) =>
      new SignJWT({ ...claims, jti: kid }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey);
    const reads = provider.keySetReads();
    const started = performance.now();
    for (let i = 0; i < 100; i += 1) expect(await codeOf(await forged(`made-up-${i}`))).toBe('invalid_token');
    const allowed = 3 + Math.ceil((performance.now() - started) / 100);
    expect(provider.keySetReads() - reads).toBeLessThanOrEqual(allowed);
  });

  it('binds tokens to keys, and then nobody else can use them', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const proof = (htm: string, htu: string, token?: string) =>
      new SignJWT({
        ...{ htm, htu, jti: String(Math.random()), iat: Math.floor(Date.now() / 1_000) },
        ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .sign(privateKey);
    const { access_token: token, token_type } = await logIn(provider, 'dee', () =>
      proof('POST', `${provider.issuer}/token`),
    );
    expect(token_type).toBe('DPoP');
    expect(await codeOf(token)).toBe('invalid_dpop_proof');
    const url = `${mesh.url}/v1/whoami`;
    const headers = { authorization: `DPoP ${token}`, dpop: await proof('GET', url, token) };
    expect((await fetch(url, { headers })).status).toBe(200);
    expect((await fetch(url, { headers })).status).toBe(401);
  });

  it('is suspended and resumed', async () => {
    const { access_token } = await logIn(provider, 'ann');
    await cogmesh('acme', 'issuers', 'suspend', provider.issuer);
    await until('its tokens are refused', async () => (await codeOf(access_token)) === 'unknown_issuer');
    await cogmesh('globex', 'issuers', 'resume', provider.issuer);
    await until('its tokens are accepted', async () => (await codeOf(access_token)) === 'accepted');
  });
});

describe('partners', () => {
  const mayInfer = async (organisation: Organisation) => {
    const resource = { type: 'model', id: 'acme/silero-vad' };
    const { allowed, code } = await world
      .client(mesh.url, organisation, 'reader')
      .explain({ action: 'infer', resource });
    return allowed ? 'allowed' : code;
  };

  it('are granted a right, pass it on once, and lose it', async () => {
    const held = (await cogmesh('globex', 'grants')) as { grants: readonly GrantView[] };
    expect(held.grants).toEqual([]);
    const terms = ['--action', 'infer', '--resource', '/models/acme/silero-vad', '--purpose', 'dictation'];
    const offer = (await cogmesh('acme', 'grants', 'create', '--to', 'globex', ...terms, '--delegable')) as GrantView;
    await cogmesh('globex', 'grants', 'accept', offer.id);
    const passed = (await cogmesh(
      'globex',
      'grants',
      'delegate',
      offer.id,
      '--to',
      'initech',
      ...terms,
      '--days',
      '1',
    )) as GrantView;
    expect(passed).toMatchObject({ grantor: 'acme', grantee: 'initech', delegatedBy: 'globex', state: 'offered' });
    await cogmesh('initech', 'grants', 'accept', passed.id);
    expect(await mayInfer('initech')).toBe('allowed');
    const ended = (await cogmesh('acme', 'grants', 'revoke', offer.id, '--reason', 'over')) as GrantView;
    expect(ended).toMatchObject({ state: 'revoked', revokeReason: 'over' });
    const all = (await cogmesh('initech', 'grants')) as { grants: readonly GrantView[] };
    expect(all.grants).toMatchObject([{ id: passed.id, state: 'revoked' }]);
  });

  it('let a service of one act for users of another, where both allow it and a grant does', async () => {
    const [user, service] = [await world.token('globex', 'reader'), await world.token('acme', 'operator')];
    const type = 'urn:ietf:params:oauth:token-type:access_token';
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...{ subject_token: user, subject_token_type: type, actor_token: service, actor_token_type: type },
    };
    const ask = async () => {
      const response = await fetch(`${mesh.url}/v1/token`, { method: 'POST', body: new URLSearchParams(form) });
      return (await response.json()) as { access_token: string; error: string };
    };
    expect((await ask()).error).toBe('unauthorized_client');
    const terms = [
      '--action',
      'act',
      '--resource',
      '/organisations/globex',
      '--purpose',
      'a portal',
      '--role',
      'operator',
    ];
    const { id } = (await cogmesh('globex', 'grants', 'create', '--to', 'acme', ...terms)) as GrantView;
    await cogmesh('acme', 'grants', 'accept', id);
    const { access_token: token } = await ask();
    expect(await whoami(token)).toMatchObject({ sub: 'reader-of-globex', organisation: 'globex', roles: ['reader'] });
    const run = await clientOf(token).submitRun({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });
    expect(run).toMatchObject({ organisation: 'globex' });
    await cogmesh('globex', 'grants', 'revoke', id);
    expect((await ask()).error).toBe('unauthorized_client');
  });
});
