/** The running service and real replicas: what is written or revoked is enforced there, and what was refused is answered for. */
import { join } from 'node:path';
import { revocationV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { openReplica, type OpenedReplica } from '@cogmesh/enforcement';
import { loadServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type Channel } from '@cogmesh/rpc';
import type { HostedService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { acmePolicies, asked, PolicyWorld, type PolicyClient } from './policy-fixture.js';

const { SUBJECT, GRANT, ISSUER, KEY } = revocationV1.RevocationKind;
const issuer = 'https://dev.cogmesh.invalid';
const logger = createLogger({ level: 'silent' });

let world: PolicyWorld;
let hosted: HostedService;
let gateway: PolicyClient;
const replicas: OpenedReplica[] = [];
const channels: Channel[] = [];

beforeEach(async () => {
  world = await PolicyWorld.create('');
  await world.writeBootstrap();
  hosted = await world.start();
  gateway = await world.as('gateway', hosted);
});
afterEach(async () => {
  for (const { close } of replicas.splice(0)) await close();
  for (const channel of channels.splice(0)) channel.close();
  await world.close();
});

async function replica(name: string) {
  const identity = await loadServiceIdentity(world.keysDir, 'sidecar');
  const opened = openReplica({
    identity,
    policyAddress: hosted.running.addresses['grpc'] ?? '',
    dir: join(world.bootstrapDir, '..', name),
    config: { pollIntervalMs: 5_000, maxStalenessMs: 30_000, decisionCacheEntries: 0 },
    logger,
  });
  replicas.push(opened);
  await opened.replica.start();
  return opened.replica;
}

/** The revocation service as a member with the right calls it. */
function revocations(member = 'acme admin', action = 'write') {
  const access = [{ action, resource: '/revocations' }];
  const authorize = async (method: string) => `Bearer ${await world.permit(member, access, method)}`;
  const channel = openChannel({ target: hosted.running.addresses['grpc'] ?? '', authorize });
  channels.push(channel);
  return createClient(revocationV1.RevocationService, channel);
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (thrown: unknown) => (thrown instanceof CogmeshError ? thrown.code : String(thrown)),
  );
const who = (sub: string) => ({ issuer, sub, tokenId: '' });

describe('a write', () => {
  it('reaches every point that asked before it, without a hint and long before the next question', async () => {
    const points = await Promise.all(Array.from({ length: 8 }, (_, i) => replica(`point-${String(i)}`)));
    const admin = await world.asMember('acme admin', [{ action: 'write', resource: '/policies' }], hosted);
    const { epoch, consistencyToken } = await admin.putPolicies({
      organisation: 'acme',
      policySetJson: JSON.stringify({ ...acmePolicies, policies: acmePolicies.policies.slice(0, 2) }),
      expectedEpoch: 0n,
    });
    await vi.waitFor(() =>
      expect(points.map(({ engine }) => engine.epochOf('acme'))).toEqual(points.map(() => Number(epoch))),
    );
    for (const point of points) expect(point.readiness().ready).toBe(true);
    const seen = await gateway.decide({ ...asked('acme admin', 'create', 'run:'), consistencyToken });
    expect(seen).toMatchObject({ allowed: true, epoch });
    const future = { ...asked('acme admin', 'create', 'run:'), consistencyToken: 'c1.acme:99.0' };
    expect(await codeOf(gateway.decide(future))).toBe('stale_policy');
    expect(await codeOf(gateway.decide({ ...future, consistencyToken: 'nonsense' }))).toBe('invalid_argument');
  });
});

describe('a revocation', () => {
  it('reaches every point, refuses decisions here, is listed, and ends when it is lifted', async () => {
    const points = await Promise.all([replica('one'), replica('two')]);
    const client = revocations();
    const thing = { kind: SUBJECT, issuer, value: 'acme admin' };
    const { revocation, consistencyToken } = await client.revoke({ organisation: 'acme', thing, reason: 'left' });
    expect(revocation).toMatchObject({ thing, reason: 'left', revokedBy: `acme admin (${issuer})`, epoch: 1n });
    expect(consistencyToken).toBe('c1..1');
    await vi.waitFor(() => {
      for (const point of points) expect(point.revocations.find(who('acme admin'), Date.now())?.kind).toBe('subject');
    });
    expect(await gateway.decide(asked('acme admin', 'create', 'run:'))).toMatchObject({
      allowed: false,
      code: 'revoked',
    });
    // The revoked administrator's permits are refused at this service too.
    expect(await codeOf(client.lift({ organisation: 'acme', thing }))).toBe('revoked');
    const other = revocations('acme admin two');
    const listed = await revocations('acme admin two', 'read').listRevocations({ organisation: 'acme' });
    expect(listed.revocations).toMatchObject([{ thing }]);
    await other.lift({ organisation: 'acme', thing });
    await vi.waitFor(() => {
      for (const point of points) expect(point.revocations.find(who('acme admin'), Date.now())).toBeUndefined();
    });
    expect(await codeOf(other.lift({ organisation: 'acme', thing }))).toBe('not_found');
  });

  it('of a grant takes the right away here and there', async () => {
    const point = await replica('one');
    expect((await gateway.decide(asked('globex reader', 'infer', 'model:acme/ocr'))).code).toBe('allowed');
    await revocations().revoke({ organisation: 'acme', thing: { kind: GRANT, value: 'g1' } });
    expect((await gateway.decide(asked('globex reader', 'infer', 'model:acme/ocr'))).code).toBe('no_grant');
    const request = {
      subject: { issuer, sub: 's', organisation: 'globex', roles: ['reader'], attributes: {} },
      action: 'infer',
      resource: { type: 'model', id: 'acme/ocr' },
      nowMs: Date.now(),
    };
    await vi.waitFor(() => expect(point.engine.decide(request).code).toBe('no_grant'));
  });

  it('survives a restart', async () => {
    await revocations().revoke({ organisation: 'acme', thing: { kind: SUBJECT, issuer, value: 'ann' } });
    await world.stop(hosted);
    hosted = await world.start();
    const point = await replica('one');
    expect(point.revocations.find(who('ann'), Date.now())).toBeDefined();
    expect(point.readiness().ready).toBe(true);
  });

  it.each([
    [
      'of an issuer that is not the organisation’s',
      'acme admin',
      { kind: ISSUER, issuer: 'https://other' },
      'not_found',
    ],
    ['of the key of another organisation', 'acme admin', { kind: KEY, issuer: 'org:globex', value: 'k' }, 'not_found'],
    ['of nothing', 'acme admin', { kind: SUBJECT, issuer }, 'invalid_argument'],
    ['of no kind', 'acme admin', { issuer, value: 'x' }, 'invalid_argument'],
    ['of a grant by an issuer', 'acme admin', { kind: GRANT, issuer, value: 'g1' }, 'invalid_argument'],
  ])('%s is refused', async (_what, member, thing, code) => {
    const organisation = member.split(' ')[0] ?? '';
    expect(await codeOf(revocations(member).revoke({ organisation, thing }))).toBe(code);
  });

  it('for another organisation, or without the right, is refused', async () => {
    const thing = { kind: GRANT, value: 'g1' };
    expect(await codeOf(revocations('globex x').revoke({ organisation: 'acme', thing }))).toBe('permission_denied');
    expect(await codeOf(revocations('acme admin', 'read').revoke({ organisation: 'acme', thing }))).toBe(
      'permission_denied',
    );
  });
});
