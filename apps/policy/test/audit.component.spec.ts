/** The decision log of the running service over gRPC, on each database it supports. */
import { policyAuditV1 } from '@cogmesh/contracts';
import { loadServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type Channel, type Client } from '@cogmesh/rpc';
import type { HostedService } from '@cogmesh/service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databasesWith, emptyPostgres } from './databases.js';
import { asked, PolicyWorld } from './policy-fixture.js';

type AuditClient = Client<typeof policyAuditV1.AuditService>;

const readAudit = [{ action: 'read', resource: '/audit' }];
const refused = (code: string) => expect.objectContaining({ code });

const databases = databasesWith(emptyPostgres());

describe.each(databases)('the decision log on $database', ({ urlOf }) => {
  let world: PolicyWorld;
  let hosted: HostedService;
  let auditor: AuditClient;
  const channels: Channel[] = [];

  beforeEach(async () => {
    world = await PolicyWorld.create(await urlOf());
    await world.writeBootstrap();
    await begin();
  });
  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.close();
    await world.close();
  });

  async function begin(): Promise<void> {
    hosted = await world.start();
    auditor = await reader('acme admin');
  }
  const reader = (member: string, access = readAudit) =>
    world.memberOf(policyAuditV1.AuditService, { member, access, hosted });
  async function point(service: string): Promise<AuditClient> {
    const identity = await loadServiceIdentity(world.keysDir, service);
    const target = hosted.running.addresses['grpc'] ?? '';
    const channel = openChannel({ target, authorize: async () => `Bearer ${await identity.serviceToken('policy')}` });
    channels.push(channel);
    return createClient(policyAuditV1.AuditService, channel);
  }
  /** What is in the log but for the reading of the log itself. */
  const entries = async (organisation = 'acme', by = auditor) => {
    const answer = await by.query({ organisation, limit: 500 });
    return answer.entries.filter(({ resource }) => resource !== '/audit');
  };
  const untilThere = (count: number) =>
    vi.waitFor(async () => expect(await entries()).toHaveLength(count), { timeout: 10_000 });

  const spoolId = '0123456789abcdef'.repeat(2);
  const record = (sequence: number, sub = 'ann') => ({
    sequence: BigInt(sequence),
    recordJson: JSON.stringify({
      at: 1_000,
      point: 'scheduler',
      subject: { issuer: 'i', sub, organisation: 'globex', roles: ['reader'], attributes: {} },
      decisions: [
        { action: 'infer', resource: '/models/acme/ocr', owner: 'acme', allowed: true, code: 'allowed', reason: 'so', rules: ['a'], epoch: 1, grantId: 'g1' },
      ],
    }), // prettier-ignore
  });

  it('has what this service decided for others and about calls to itself, and not what the gateway logs', async () => {
    const registry = await world.as('registry', hosted);
    await registry.decide(asked('globex viewer', 'infer', 'model:acme/ocr'));
    const gateway = await world.as('gateway', hosted);
    await gateway.decide(asked('globex viewer', 'infer', 'model:acme/voice'));
    const operator = await world.asMember('acme operator', [{ action: 'read', resource: '/policies' }], hosted);
    await expect(operator.getPolicies({ organisation: 'acme' })).rejects.toEqual(refused('permission_denied'));
    await untilThere(2);
    const told = (await entries()).map(({ action, resource, allowed, code, point: where, subject }) => ({
      what: `${subject?.sub ?? ''} ${action} ${resource}`,
      ...{ allowed, code, where },
    }));
    expect(told).toEqual([
      { what: 'globex viewer infer /models/acme/ocr', allowed: false, code: 'no_matching_allow', where: 'policy' },
      { what: 'acme operator read /policies', allowed: false, code: 'no_matching_allow', where: 'policy' },
    ]);
    const partner = await reader('globex auditor');
    await expect(partner.query({ organisation: 'acme' })).rejects.toEqual(refused('permission_denied'));
  });

  it('has a write whose caller was never answered otherwise', async () => {
    const write = [{ action: 'write', resource: '/policies' }];
    const admin = await world.asMember('acme admin', write, hosted);
    await expect(admin.putPolicies({ organisation: 'acme', policySetJson: '{' })).rejects.toThrow();
    await world.stop(hosted);
    await begin();
    await untilThere(1);
    expect(await entries()).toMatchObject([{ action: 'write', resource: '/policies', allowed: true, count: 1 }]);
  });

  it('takes what enforcement points send, once, and gives both sides theirs', async () => {
    const sidecar = await point('sidecar');
    expect(await sidecar.append({ spoolId, after: 0n, records: [record(1), record(2)] })).toMatchObject({
      accepted: 2n,
    });
    expect(await sidecar.append({ spoolId, after: 0n, records: [record(1), record(2)] })).toMatchObject({
      accepted: 2n,
    });
    await expect(sidecar.append({ spoolId, after: 4n, records: [record(5)] })).rejects.toMatchObject({
      code: 'conflict',
      details: { accepted: 2 },
    });
    expect((await entries()).map(({ id, point: where, grantId }) => [id, where, grantId])).toEqual([
      [`${spoolId}.1.0`, 'scheduler', 'g1'],
      [`${spoolId}.2.0`, 'scheduler', 'g1'],
    ]);
    const verified = await auditor.verify({ organisation: 'acme' });
    expect(verified.problem).toBeUndefined();
    expect(verified.position).toBeGreaterThanOrEqual(2n);
  });

  it('is still there, and goes on, after a restart', async () => {
    await (await point('gateway')).append({ spoolId, after: 0n, records: [record(1)] });
    const before = await auditor.verify({ organisation: 'acme' });
    await world.stop(hosted);
    await begin();
    expect(await (await point('gateway')).append({ spoolId, after: 1n, records: [record(2)] })).toMatchObject({
      accepted: 2n,
    });
    expect((await entries()).map(({ id }) => id)).toEqual([`${spoolId}.1.0`, `${spoolId}.2.0`]);
    const known = { knownPosition: before.position, knownHash: before.hash };
    expect((await auditor.verify({ organisation: 'acme', ...known })).problem).toBeUndefined();
  });

  it('is read by members of the organisation who may, and written by nobody but enforcement points', async () => {
    const operator = await reader('acme operator');
    const stranger = await reader('acme admin', [{ action: 'read', resource: '/policies' }]);
    for (const client of [operator, stranger]) {
      await expect(client.query({ organisation: 'acme' })).rejects.toEqual(refused('permission_denied'));
      await expect(client.verify({ organisation: 'acme' })).rejects.toEqual(refused('permission_denied'));
    }
    await expect(auditor.query({ organisation: 'globex' })).rejects.toEqual(refused('permission_denied'));
    await expect(auditor.append({ spoolId, after: 0n, records: [record(1)] })).rejects.toEqual(
      refused('permission_denied'),
    );
    const gateway = await point('gateway');
    await expect(gateway.query({ organisation: 'acme' })).rejects.toEqual(refused('permission_denied'));
    await expect(gateway.append({ spoolId, after: 0n, records: [] })).rejects.toEqual(refused('invalid_argument'));
  });
});
