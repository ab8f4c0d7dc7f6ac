/** Mutual TLS as services use it: who is let in by the handshake, who by certificate and token together, and files that change. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schedulerV1 } from '@cogmesh/contracts';
import { ensureCertificates, initialiseKeys, keyFiles, loadServiceIdentity } from '@cogmesh/identity';
import { createClient, implement, openChannel, serveRpc, TransportSecurity, type Authenticate } from '@cogmesh/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEnforcer } from '../src/enforcer.js';
import { requirePeer } from '../src/peer-check.js';

const closers: (() => unknown)[] = [];
let root: string;
let keys: string;
let target: string;

const filesOf = (dir: string, name: string) => ({
  cert: keyFiles.certificate(dir, name),
  key: keyFiles.certificateKey(dir, name),
  ca: keyFiles.certificate(dir, 'ca'),
});

function securityOf(dir: string, name: string, ca = dir): TransportSecurity {
  const security = new TransportSecurity({ files: { ...filesOf(dir, name), ca: keyFiles.certificate(ca, 'ca') } });
  closers.push(() => security.close());
  return security;
}

async function serve(security: TransportSecurity, authenticate: Authenticate): Promise<string> {
  const renew = implement(schedulerV1.SchedulerService, {
    renewLeases: () => Promise.resolve({ lost: [] }),
  } as never);
  const methods = Object.fromEntries(
    schedulerV1.SchedulerService.methods.map(({ localName }) => [
      localName,
      renew.implementation[localName] ?? (() => Promise.resolve({})),
    ]),
  );
  const services = [{ ...renew, implementation: methods as never }];
  const server = await serveRpc({ address: '127.0.0.1:0', services, authenticate, security });
  closers.push(() => server.stop(0));
  return server.address;
}

function call(options: { at?: string; security?: TransportSecurity; token?: string; service?: string }) {
  const { at = target, security, token, service = 'scheduler' } = options;
  const channel = openChannel({
    target: at,
    authorize: () => (token === undefined ? undefined : `Bearer ${token}`),
    secure: { security, service },
  });
  const client = createClient(schedulerV1.SchedulerService, channel);
  return client.renewLeases({}, { deadlineMs: 3_000 }).finally(() => channel.close());
}

const tokenOf = async (service: string) => (await loadServiceIdentity(keys, service)).serviceToken('scheduler');

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cogmesh-mtls-'));
  keys = join(root, 'keys');
  await initialiseKeys(keys, { hostOrganisation: 'acme' });
  await ensureCertificates(keys);
  const { verifier } = await loadServiceIdentity(keys, 'scheduler');
  const source = { requireFresh: () => undefined } as never;
  const authenticate = createEnforcer({ service: 'scheduler', verifier, source, decisionCacheEntries: 0 });
  target = await serve(securityOf(keys, 'scheduler'), authenticate);
});

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
  await rm(root, { recursive: true, force: true });
});

describe('a call over mutual TLS', () => {
  it('is answered when certificate and token name the same service', async () => {
    await expect(
      call({ security: securityOf(keys, 'registry'), token: await tokenOf('registry') }),
    ).resolves.toBeDefined();
  });

  it('is refused when the token is of another service than the certificate', async () => {
    const stolen = call({ security: securityOf(keys, 'worker'), token: await tokenOf('registry') });
    await expect(stolen).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('worker'),
    });
  });

  it('is refused with a permit over a connection that is not the gateway’s', async () => {
    const gateway = await loadServiceIdentity(keys, 'gateway');
    const permit = await gateway.mintPermit({
      audience: 'scheduler',
      method: `/${schedulerV1.SchedulerService.typeName}/RenewLeases`,
      access: [{ action: 'create', resource: '/runs' }],
      subject: { issuer: 'https://a.example', sub: 'a', organisation: 'acme', roles: [], tokenId: '', attributes: {} },
    });
    await expect(call({ security: securityOf(keys, 'worker'), token: permit })).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('the call is by gateway, and its connection by worker'),
    });
  });
});

describe('the handshake refuses', () => {
  it('a client without TLS', async () => {
    await expect(call({ token: await tokenOf('registry') })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a certificate of another authority', async () => {
    const other = join(root, 'other');
    await ensureCertificates(other);
    // It believes our authority, and shows what another one gave.
    const security = securityOf(other, 'registry', keys);
    await expect(call({ security, token: await tokenOf('registry') })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a certificate that has expired', async () => {
    const old = join(root, 'old');
    await copyAuthority(old);
    await ensureCertificates(old, { days: 1, now: () => Date.now() - 2 * 86_400_000 });
    const security = securityOf(old, 'registry');
    await expect(call({ security, token: await tokenOf('registry') })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a server that is another service than the one that is meant', async () => {
    const security = securityOf(keys, 'gateway');
    await expect(call({ security, service: 'registry', token: await tokenOf('gateway') })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

it('a certificate that has expired since the connection was made ends what it may', () => {
  const peer = { names: ['registry'], expiresAtMs: 1_000 };
  expect(() => requirePeer(peer, 'registry', 999)).not.toThrow();
  expect(() => requirePeer(peer, 'registry', 1_000)).toThrow('expired');
  expect(() => requirePeer({ ...peer, names: [] }, 'registry', 0)).toThrow('nobody with a name');
});

describe('certificates that change', () => {
  it('are used by the next connection, and half a change is not', async () => {
    const live = join(root, 'live');
    await copyAuthority(live);
    await ensureCertificates(live, { days: 1, now: () => Date.now() - 2 * 86_400_000 });
    const security = securityOf(live, 'scheduler');
    const at = await serve(security, () => ({ kind: 'anonymous' }));
    const client = () => call({ at, security: securityOf(keys, 'registry') });
    await expect(client()).rejects.toMatchObject({ code: 'unavailable' });

    await copyFile(keyFiles.certificate(keys, 'scheduler'), keyFiles.certificate(live, 'scheduler'));
    security.reload();
    await expect(client()).rejects.toMatchObject({ code: 'unavailable' });

    await copyFile(keyFiles.certificateKey(keys, 'scheduler'), keyFiles.certificateKey(live, 'scheduler'));
    security.reload();
    await expect(client()).resolves.toBeDefined();
  });

  it('are refused at the start when they do not belong together', () => {
    const files = { ...filesOf(keys, 'worker'), key: keyFiles.certificateKey(keys, 'registry') };
    expect(() => new TransportSecurity({ files })).toThrow('is not that of the certificate');
    expect(() => new TransportSecurity({ files: { ...files, cert: join(root, 'none.pem') } })).toThrow(
      'cannot be read',
    );
  });
});

async function copyAuthority(to: string): Promise<void> {
  await ensureCertificates(to);
  for (const pathOf of [keyFiles.certificate, keyFiles.certificateKey])
    await copyFile(pathOf(keys, 'ca'), pathOf(to, 'ca'));
}
