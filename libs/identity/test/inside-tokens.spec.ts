import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { importJWK, SignJWT, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addIssuerKey,
  addOrganisationKey,
  assertDevelopmentAllowed,
  developmentIssuerRecord,
  initialiseKeys,
  loadServiceIdentity,
  loadVerifier,
  mintDevelopmentToken,
  OutsideTokenVerifier,
  signPartnerGrant,
  type ServiceIdentity,
} from '../src/index.js';
import { temporaryKeys } from './keys-directory.js';

let dir: string;
let remove: () => Promise<void>;
let gateway: ServiceIdentity;
let scheduler: ServiceIdentity;
let policy: ServiceIdentity;

const subject = {
  issuer: 'https://a.example',
  sub: 'ann',
  organisation: 'a',
  roles: ['analyst'],
  tokenId: 't1',
  attributes: {},
};
const permitRequest = {
  audience: 'scheduler',
  method: '/cogmesh.scheduler.v1.SchedulerService/SubmitRun',
  access: [{ action: 'create', resource: '/runs' }],
  subject,
};
const attempt = {
  attemptId: 'a'.repeat(32),
  capability: 'script',
  inputSha256: 'b'.repeat(64),
  blobs: [],
  organisation: 'a',
};

beforeAll(async () => {
  ({ dir, remove } = await temporaryKeys());
  [gateway, scheduler, policy] = (await Promise.all(
    ['gateway', 'scheduler', 'policy'].map((name) => loadServiceIdentity(dir, name)),
  )) as [ServiceIdentity, ServiceIdentity, ServiceIdentity];
});
afterAll(() => remove());

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof CogmeshError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** A token as an attacker who holds the key of `service` would make it. */
async function forged(service: string, typ: string, claims: Record<string, unknown>): Promise<string> {
  const jwk = JSON.parse(await readFile(join(dir, 'services', `${service}.jwk`), 'utf8')) as JWK;
  const iat = Math.floor(Date.now() / 1000);
  const base = {
    sub: 'ann',
    aud: 'scheduler',
    iat,
    exp: iat + 60,
    jti: 'x',
    outside: { iss: '', sub: '', jti: '' },
    grants: [],
  };
  const payload = { ...base, ...permitRequest, audience: undefined, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', typ }).sign(await importJWK(jwk, 'EdDSA'));
}

describe('a permit is refused', () => {
  const permitType = 'cogmesh-permit+jwt';
  const cases: readonly [string, () => Promise<string>][] = [
    [
      "signed with another service's key under the gateway's name",
      () => forged('worker', permitType, { iss: 'gateway' }),
    ],
    ['signed by another service under its own name', () => forged('worker', permitType, { iss: 'worker' })],
    ['without exp', () => forged('gateway', permitType, { iss: 'gateway', exp: undefined })],
    [
      'good for a day',
      () => forged('gateway', permitType, { iss: 'gateway', iat: Math.floor(Date.now() / 1000) - 7_200, exp: 9e9 }),
    ],
    ['expired', () => forged('gateway', permitType, { iss: 'gateway', exp: Math.floor(Date.now() / 1000) - 40 })],
    ['for another service', () => gateway.mintPermit({ ...permitRequest, audience: 'registry' })],
    ['that is a service token', () => gateway.serviceToken('scheduler')],
    ['without access', () => forged('gateway', permitType, { iss: 'gateway', access: 'all' })],
    ['with a wrong subject', () => forged('gateway', permitType, { iss: 'gateway', subject: { sub: 'ann' } })],
    ['that is huge', () => Promise.resolve('a'.repeat(60_000))],
  ];
  it.each(cases)('%s', async (_name, make) => {
    const token = await make();
    expect(await codeOf(() => scheduler.verifyPermit(token, 'scheduler'))).toBe('invalid_permit');
  });

  it('once it expires, although it was remembered', async () => {
    let time = Date.now();
    const verifier = await loadVerifier(dir, { now: () => time });
    const permit = await gateway.mintPermit(permitRequest);
    await verifier.verifyPermit(permit, 'scheduler');
    time += 91_000;
    expect(await codeOf(() => verifier.verifyPermit(permit, 'scheduler'))).toBe('invalid_permit');
  });

  it('when it cannot fit into headers, at minting', async () => {
    const access = Array.from({ length: 2_000 }, (_, at) => ({
      action: 'read',
      resource: `/blobs/blob_${at}_0123456789`,
    }));
    expect(await codeOf(() => gateway.mintPermit({ ...permitRequest, access }))).toBe('payload_too_large');
  });
});

describe('a task grant is refused', () => {
  const soon = () => Date.now() + 60_000;
  const cases: readonly [string, () => Promise<string>][] = [
    [
      'expired',
      () => scheduler.mintTaskGrant({ agent: 'agent_1', attempts: [attempt], expiresAtMs: Date.now() - 31_000 }),
    ],
    [
      "signed with the gateway's key",
      () => forged('gateway', 'cogmesh-task-grant+jwt', { iss: 'scheduler', agent: 'x', attempts: [attempt] }),
    ],
    [
      'with both agent and queue',
      () =>
        forged('scheduler', 'cogmesh-task-grant+jwt', {
          iss: 'scheduler',
          agent: 'x',
          queue: 'y',
          attempts: [attempt],
        }),
    ],
    [
      'without attempts',
      () => forged('scheduler', 'cogmesh-task-grant+jwt', { iss: 'scheduler', agent: 'x', attempts: [] }),
    ],
    [
      'tampered with',
      async () => {
        const [header, payload = '', signature] = (
          await scheduler.mintTaskGrant({ agent: 'agent_1', attempts: [attempt], expiresAtMs: soon() })
        ).split('.');
        const changed = Buffer.from(payload, 'base64url').toString().replace('agent_1', 'agent_2');
        return `${header}.${Buffer.from(changed).toString('base64url')}.${signature}`;
      },
    ],
  ];
  it.each(cases)('%s', async (_name, make) => {
    const token = await make();
    expect(await codeOf(() => gateway.verifyTaskGrant(token))).toBe('invalid_grant');
  });

  it('over 100 attempts, or for nobody, at minting', async () => {
    const many = Array.from({ length: 101 }, () => attempt);
    expect(await codeOf(() => scheduler.mintTaskGrant({ agent: 'a', attempts: many, expiresAtMs: soon() }))).toBe(
      'invalid_argument',
    );
    expect(await codeOf(() => scheduler.mintTaskGrant({ attempts: [attempt], expiresAtMs: soon() }))).toBe(
      'invalid_argument',
    );
  });
});

describe('who may sign what', () => {
  it.each([
    ['a permit', 'worker', (identity: ServiceIdentity) => identity.mintPermit(permitRequest)],
    [
      'a task grant',
      'gateway',
      (identity: ServiceIdentity) => identity.mintTaskGrant({ agent: 'a', attempts: [attempt], expiresAtMs: 9e12 }),
    ],
    [
      'a bundle',
      'scheduler',
      (identity: ServiceIdentity) => identity.signBundle({ organisation: 'a', epoch: 1, policies: {} }),
    ],
    ['a heartbeat', 'sidecar', (identity: ServiceIdentity) => identity.signHeartbeat({ nonce: 'n', epochs: {} })],
  ])('%s not by the %s', async (_what, service, act) => {
    const identity = await loadServiceIdentity(dir, service);
    expect(await codeOf(() => act(identity))).toBe('permission_denied');
  });
});

describe('inside tokens', () => {
  it('a permit says what was minted', async () => {
    const claims = await scheduler.verifyPermit(
      await gateway.mintPermit({ ...permitRequest, grants: ['g1'] }),
      'scheduler',
    );
    expect(claims).toMatchObject({
      method: permitRequest.method,
      access: permitRequest.access,
      subject,
      grants: ['g1'],
      outside: { iss: subject.issuer, sub: 'ann', jti: 't1' },
    });
    expect(claims.id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(claims.expiresAtMs - claims.issuedAtMs).toBe(60_000);
  });

  it('a service token is reused, then replaced 10 s before it expires', async () => {
    let time = Date.now();
    const identity = await loadServiceIdentity(dir, 'worker', { now: () => time });
    const first = await identity.serviceToken('registry');
    time += 49_000;
    expect(await identity.serviceToken('registry')).toBe(first);
    time += 2_000;
    const second = await identity.serviceToken('registry');
    expect(second).not.toBe(first);
    expect((await identity.verifyServiceToken(second, 'registry')).service).toBe('worker');
    expect(await codeOf(() => identity.verifyServiceToken(second, 'scheduler'))).toBe('invalid_token');
  });

  it("a service token under another service's name is refused", async () => {
    const token = await forged('worker', 'cogmesh-service+jwt', { iss: 'worker', sub: 'gateway' });
    expect(await codeOf(() => scheduler.verifyServiceToken(token, 'scheduler'))).toBe('invalid_token');
  });

  it('a task grant keeps its attempts', async () => {
    const grant = await scheduler.mintTaskGrant({
      queue: 'inference_tasks.script',
      attempts: [attempt],
      expiresAtMs: Date.now() + 60_000,
    });
    expect(await gateway.verifyTaskGrant(grant)).toMatchObject({
      queue: 'inference_tasks.script',
      attempts: [attempt],
    });
  });

  it('a heartbeat answers its nonce only; a bundle keeps its content', async () => {
    const heartbeat = await policy.signHeartbeat({ nonce: 'n1', epochs: { a: 3 } });
    expect(await gateway.verifyHeartbeat(heartbeat, 'n1')).toEqual({ nonce: 'n1', epochs: { a: 3 } });
    expect(await codeOf(() => gateway.verifyHeartbeat(heartbeat, 'n2'))).toBe('invalid_token');
    const bundle = { organisation: 'a', epoch: 3, policies: { policies: [] } };
    expect(await gateway.verifyBundle(await policy.signBundle(bundle))).toEqual(bundle);
  });
});

describe('partner grants', () => {
  const grant = { grantor: 'acme', grantee: 'globex', actions: ['infer'], resources: ['/models/acme/*'] };

  it('is verified with the key of the grantor only, found even when the organisation is younger than the process', async () => {
    const good = await signPartnerGrant(dir, { ...grant, expiresAtMs: Date.now() + 60_000, purpose: 'pilot' });
    expect(await gateway.verifyPartnerGrant(good)).toMatchObject({ ...grant, purpose: 'pilot' });
    await addOrganisationKey(dir, 'globex');
    const jwk = JSON.parse(await readFile(join(dir, 'organisations', 'globex.jwk'), 'utf8')) as JWK;
    const iat = Math.floor(Date.now() / 1000);
    const selfMade = await new SignJWT({ ...grant, iss: 'org:acme', jti: 'g', iat, exp: iat + 60 })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'cogmesh-partner-grant+jwt' })
      .sign(await importJWK(jwk, 'EdDSA'));
    expect(await codeOf(() => gateway.verifyPartnerGrant(selfMade))).toBe('invalid_grant');
    const foreign = await signPartnerGrant(dir, { ...grant, grantor: 'globex', expiresAtMs: Date.now() + 60_000 });
    await expect.poll(() => codeOf(() => gateway.verifyPartnerGrant(foreign)), { timeout: 3_000 }).toBe('accepted');
  });

  it('expired: refused, unless whoever asks decides about times itself', async () => {
    const issuedAtMs = Date.now() - 100_000;
    const expired = await signPartnerGrant(dir, { ...grant, issuedAtMs, expiresAtMs: Date.now() - 60_000 });
    expect(await codeOf(() => gateway.verifyPartnerGrant(expired))).toBe('invalid_grant');
    expect((await gateway.verifyPartnerGrant(expired, { anyTime: true })).expiresAtMs).toBeLessThan(Date.now());
  });
});

describe('the keys directory', () => {
  it('is idempotent and private', async () => {
    const before = await readFile(join(dir, 'services', 'gateway.jwk'), 'utf8');
    await initialiseKeys(dir, { hostOrganisation: 'acme', developmentIssuer: true });
    expect(await readFile(join(dir, 'services', 'gateway.jwk'), 'utf8')).toBe(before);
    for (const file of [
      'root.private.jwk',
      'trust.jws',
      'services/gateway.jwk',
      'organisations/acme.jwk',
      'issuers/development.jwk',
    ]) {
      expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600);
    }
  });

  it('refuses a trust directory that the root did not sign, and says which key is missing', async () => {
    const other = await temporaryKeys();
    try {
      await writeFile(join(other.dir, 'trust.jws'), await readFile(join(dir, 'trust.jws')));
      expect(await codeOf(() => loadVerifier(other.dir))).toBe('invalid_config');
      await expect(loadServiceIdentity(dir, 'nobody')).rejects.toThrow(/cogmesh init/);
      expect(await codeOf(() => loadServiceIdentity(dir, '../root'))).toBe('invalid_argument');
    } finally {
      await other.remove();
    }
  });
});

describe('the development issuer', () => {
  it('mints tokens that its record verifies, for each organisation its own', async () => {
    await addIssuerKey(dir, 'globex');
    const records = [
      await developmentIssuerRecord(dir, { allowedRoles: ['admin'] }),
      await developmentIssuerRecord(dir, { issuerName: 'globex', allowedRoles: ['analyst'] }),
    ];
    const verifier = new OutsideTokenVerifier(records);
    const host = await mintDevelopmentToken(dir, { sub: 'ann', roles: ['admin'], ttlSeconds: 60 });
    expect(await verifier.verify(host)).toMatchObject({
      issuer: 'https://dev.cogmesh.invalid',
      organisation: 'acme',
      roles: ['admin'],
    });
    const partner = await mintDevelopmentToken(dir, {
      sub: 'gil',
      roles: ['admin', 'analyst'],
      ttlSeconds: 60,
      organisation: 'globex',
    });
    expect(await verifier.verify(partner)).toMatchObject({ organisation: 'globex', roles: ['analyst'] });
    expect(
      await codeOf(() => mintDevelopmentToken(dir, { sub: 'x', roles: [], ttlSeconds: 60, organisation: 'initech' })),
    ).toBe('not_found');
  });

  it.each(['0.0.0.0:7000', '[::]:7000', '10.1.2.3:7000', 'http://example.org:80', '127.0.0.1.example.org:80', ':7000'])(
    'refuses to run beside the listener %s',
    (listener) => {
      expect(() => assertDevelopmentAllowed(['127.0.0.1:7010', listener])).toThrow(/must be loopback/);
    },
  );

  it('runs beside loopback listeners', () => {
    assertDevelopmentAllowed([
      '127.0.0.1:7000',
      'http://localhost:80',
      '[::1]:9',
      'unix:/tmp/x.sock',
      'https://127.0.0.1:1/',
    ]);
  });
});
