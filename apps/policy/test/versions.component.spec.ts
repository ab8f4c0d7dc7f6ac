/** Versions, candidates and simulations of the running service, on each database it supports. */
import { policyVersionsV1 } from '@cogmesh/contracts';
import { createClient, type Client } from '@cogmesh/rpc';
import type { HostedService } from '@cogmesh/service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databasesWith, emptyPostgres } from './databases.js';
import { acmePolicies, asked, PolicyWorld, type PolicyClient } from './policy-fixture.js';

type VersionClient = Client<typeof policyVersionsV1.PolicyVersionService>;

const write = [{ action: 'write', resource: '/policies' }];
const read = [{ action: 'read', resource: '/policies' }];
const organisation = 'acme';
const adminsOnly = { policies: [{ id: 'admins', policy: "role == 'admin'", permissions: ['*'], resources: ['/**'] }] };
const json = (document: unknown) => JSON.stringify(document);
const refused = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as unknown });

const databases = databasesWith(emptyPostgres());

describe.each(databases)('policy versions on $database', ({ urlOf }) => {
  let world: PolicyWorld;
  let hosted: HostedService;
  let registry: PolicyClient;
  let admin: PolicyClient;
  let reader: VersionClient;
  let writer: VersionClient;

  const versionsFor = (member: string, access: typeof write) =>
    createClient(policyVersionsV1.PolicyVersionService, world.memberChannel(member, access, hosted));

  beforeEach(async () => {
    world = await PolicyWorld.create(await urlOf());
    await world.writeBootstrap();
    hosted = await world.start();
    registry = await world.as('registry', hosted);
    admin = await world.asMember('acme admin', write, hosted);
    reader = versionsFor('acme admin', read);
    writer = versionsFor('acme admin', write);
  });
  afterEach(() => world.close());

  const put = (document: unknown, note = '') =>
    admin.putPolicies({ organisation, policySetJson: json(document), note });
  const mayInfer = () => registry.decide(asked('globex reader', 'infer', 'model:acme/ocr'));

  it('lists what was written, by whom and what for', async () => {
    await put(adminsOnly, 'partners out');
    const { versions, nextBefore } = await reader.listVersions({ organisation });
    expect(
      versions.map(({ epoch, live, note, policies, grants }) => ({ epoch, live, note, policies, grants })),
    ).toEqual([
      { epoch: 2n, live: true, note: 'partners out', policies: 1, grants: 0 },
      { epoch: 1n, live: false, note: '', policies: 3, grants: 1 },
    ]);
    expect(versions[0]?.writtenBy).toBe('acme admin (https://dev.cogmesh.invalid)');
    expect(nextBefore).toBe(0n);
    const first = await reader.listVersions({ organisation, limit: 1 });
    expect([first.versions.length, first.nextBefore]).toEqual([1, 2n]);
    const { policySetJson } = await reader.getVersion({ organisation, epoch: 1n });
    expect((JSON.parse(policySetJson) as typeof acmePolicies).policies).toHaveLength(3);
    await expect(reader.getVersion({ organisation, epoch: 7n })).rejects.toEqual(refused('not_found', 'epoch 7'));
    await expect(reader.listVersions({ organisation, limit: 201 })).rejects.toEqual(refused('invalid_argument'));
  });

  it('goes back to an older set as the next epoch, and leaves the grants as they are now', async () => {
    expect((await mayInfer()).allowed).toBe(true);
    await put(adminsOnly);
    expect(await writer.rollback({ organisation, toEpoch: 1n, expectedEpoch: 2n })).toMatchObject({ epoch: 3n });
    expect(await mayInfer()).toMatchObject({ code: 'no_grant', epoch: 3n });
    const denied = await registry.decide(asked('acme operator', 'create', 'run:'));
    expect(denied).toMatchObject({ allowed: false, epoch: 3n });
    const { versions } = await reader.listVersions({ organisation });
    expect(versions[0]).toMatchObject({ note: 'rollback to epoch 1', policies: 3, grants: 0 });
    await expect(writer.rollback({ organisation, toEpoch: 1n, expectedEpoch: 2n })).rejects.toEqual(
      refused('conflict', 'epoch 3'),
    );
    await expect(writer.rollback({ organisation, toEpoch: 9n })).rejects.toEqual(refused('not_found'));
  });

  it('holds live decisions against a candidate, and decides nothing by it', async () => {
    const noGlobex = { ...acmePolicies, grants: [await world.grant({ id: 'g1' })] };
    const policies = noGlobex.policies.filter(({ id }) => id !== 'partners');
    const open = { id: 'operators', policy: "role == 'operator'", permissions: ['create'], resources: ['/runs'] };
    const document = { ...noGlobex, policies: [...policies, open] };
    const { candidate } = await writer.putCandidate({ organisation, policySetJson: json(document), note: 'try' });
    expect(candidate).toMatchObject({ basedOnEpoch: 1n, note: 'try', compared: 0n });
    for (let i = 0; i < 3; i++) expect((await mayInfer()).allowed).toBe(true);
    expect((await registry.decide(asked('acme operator', 'create', 'run:'))).allowed).toBe(false);
    await registry.decide(asked('acme admin', 'create', 'run:'));
    await registry.decide(asked('globex reader', 'create', 'run:'));
    const held = await reader.getCandidate({ organisation });
    expect(held.candidate).toMatchObject({ compared: 5n, flipsToDeny: 3n, flipsToAllow: 1n, skipped: 0n });
    expect(held.candidate?.flips).toMatchObject([
      {
        callerOrganisation: 'globex',
        action: 'infer',
        resource: '/models/acme/ocr',
        liveCode: 'allowed',
        candidateCode: 'no_matching_allow',
        count: 3n,
      },
      { callerOrganisation: 'acme', liveCode: 'no_matching_allow', candidateCode: 'allowed', count: 1n },
    ]);
    expect((await reader.listVersions({ organisation })).versions).toHaveLength(1);
  });

  it('keeps a candidate over a restart, and promotes it or drops it', async () => {
    const { candidate } = await writer.putCandidate({ organisation, policySetJson: json(adminsOnly), note: 'less' });
    await world.stop(hosted);
    hosted = await world.start();
    registry = await world.as('registry', hosted);
    [reader, writer] = [versionsFor('acme admin', read), versionsFor('acme admin', write)];
    await mayInfer();
    expect((await reader.getCandidate({ organisation })).candidate).toMatchObject({ flipsToDeny: 1n });
    await expect(writer.promoteCandidate({ organisation, candidateId: 'other' })).rejects.toEqual(refused('conflict'));
    expect(await writer.promoteCandidate({ organisation, candidateId: candidate?.id ?? '' })).toMatchObject({
      epoch: 2n,
    });
    expect((await reader.listVersions({ organisation })).versions[0]?.note).toBe('less');
    await expect(reader.getCandidate({ organisation })).rejects.toEqual(refused('not_found', 'no candidate'));
    await writer.putCandidate({ organisation, policySetJson: json(adminsOnly) });
    await writer.dropCandidate({ organisation });
    await expect(writer.dropCandidate({ organisation })).rejects.toEqual(refused('not_found'));
  });

  it('checks a candidate as strictly as what is put in force', async () => {
    const bad = json({ policies: [{ policy: 'rol == 1', permissions: ['read'], resources: ['/a'] }] });
    await expect(writer.putCandidate({ organisation, policySetJson: bad })).rejects.toEqual(refused('invalid_policy'));
    const note = 'x'.repeat(501);
    await expect(writer.putCandidate({ organisation, policySetJson: '[]', note })).rejects.toEqual(
      refused('invalid_argument', '500'),
    );
  });

  it('replays the decision log under another set, and tells what flips', async () => {
    await mayInfer();
    await mayInfer();
    await registry.decide(asked('acme admin', 'create', 'run:'));
    const simulate = (policySetJson: string) => reader.simulate({ organisation, policySetJson });
    // Reading the log is itself decided and logged, so only what flips can be counted.
    await vi.waitFor(async () => expect((await simulate(json(adminsOnly))).flipsToDeny).toBe(2n), { timeout: 10_000 });
    const result = await simulate(json(adminsOnly));
    expect(result).toMatchObject({ flipsToDeny: 2n, flipsToAllow: 0n, undecidable: 0n, truncated: false });
    expect(result.unchanged).toBe(result.replayed - 2n);
    expect(result.flips).toMatchObject([{ resource: '/models/acme/ocr', candidateCode: 'no_grant', count: 2n }]);
    expect(await reader.simulate({ organisation, policySetJson: json(adminsOnly), limit: 1 })).toMatchObject({
      truncated: true,
    });
    await expect(simulate('')).rejects.toEqual(refused('failed_precondition', 'no candidate'));
    await writer.putCandidate({ organisation, policySetJson: '[]' });
    const nothing = await simulate('');
    expect(nothing.unchanged).toBe(0n);
    expect(nothing.flips).toContainEqual(
      expect.objectContaining({ action: 'create', resource: '/runs', candidateCode: 'no_matching_allow', count: 1n }),
    );
    expect((await mayInfer()).allowed).toBe(true);
  });

  it('is for members of the organisation with the right in their permit', async () => {
    const foreign = versionsFor('globex reader', write);
    await expect(foreign.listVersions({ organisation })).rejects.toEqual(refused('permission_denied'));
    await expect(reader.rollback({ organisation, toEpoch: 1n })).rejects.toEqual(refused('permission_denied'));
    await expect(reader.putCandidate({ organisation, policySetJson: '[]' })).rejects.toEqual(
      refused('permission_denied', '"write"'),
    );
    const operator = versionsFor('acme operator', write);
    await expect(operator.dropCandidate({ organisation })).rejects.toEqual(refused('permission_denied'));
  });
});
