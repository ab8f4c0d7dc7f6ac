/** The running service over gRPC, on each database it supports. */
import { decode, type Delivery } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import { loadVerifier } from '@cogmesh/identity';
import type { HostedService } from '@cogmesh/service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databasesWith, emptyPostgres } from './databases.js';
import { acmePolicies, asked, PolicyWorld, type PolicyClient } from './policy-fixture.js';

const write = [{ action: 'write', resource: '/policies' }];
const read = [{ action: 'read', resource: '/policies' }];
const nonce = 'a-nonce-of-the-right-length';
const refused = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as unknown });

const postgresUrl = emptyPostgres();
const databases = databasesWith(postgresUrl);

describe.each(databases)('the policy service on $database', ({ urlOf }) => {
  let world: PolicyWorld;
  let hosted: HostedService;
  let gateway: PolicyClient;
  let admin: PolicyClient;

  beforeEach(async () => {
    world = await PolicyWorld.create(await urlOf());
    await world.writeBootstrap();
    hosted = await world.start();
    gateway = await world.as('gateway', hosted);
    admin = await world.asMember('acme admin', write, hosted);
  });
  afterEach(() => world.close());

  const put = (document: unknown, expectedEpoch = 0n) =>
    admin.putPolicies({ organisation: 'acme', policySetJson: JSON.stringify(document), expectedEpoch });
  const epochs = async (of = gateway) => {
    const { heartbeatJws } = await of.getBundle({ knownEpochs: {}, nonce });
    return (await (await loadVerifier(world.keysDir)).verifyHeartbeat(heartbeatJws, nonce)).epochs;
  };

  describe('decides', () => {
    it('with the grant and the rules it rests on', async () => {
      const answer = await gateway.decide(asked('globex reader', 'infer', 'model:acme/ocr'));
      expect(answer).toMatchObject({
        allowed: true,
        code: 'allowed',
        epoch: 1n,
        grantId: 'g1',
        rules: ['partners', 'readers'],
      });
      expect(answer.decisionId).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    });

    it('with the rule that denied', async () => {
      const answer = await gateway.decide(asked('globex reader', 'infer', 'model:acme/voice'));
      expect(answer).toMatchObject({ allowed: false, code: 'denied_by_rule', rules: ['no-voice'] });
    });

    it('many at once, in order', async () => {
      const wishes = [
        asked('globex reader', 'create', 'run:'),
        asked('globex viewer', 'create', 'run:'),
        asked('initech x', 'create', 'run:'),
      ];
      const { responses } = await gateway.decideMany({ requests: wishes });
      expect(responses.map(({ code }) => code)).toEqual(['allowed', 'no_matching_allow', 'unknown_organisation']);
    });

    it('no more than a thousand at once', async () => {
      const requests = Array.from({ length: 1_001 }, () => asked('globex reader', 'create', 'run:'));
      await expect(gateway.decideMany({ requests })).rejects.toEqual(refused('invalid_argument', '1000'));
    });

    it('and explains every rule', async () => {
      const { decision, rules } = await gateway.explain({ request: asked('globex viewer', 'infer', 'model:acme/ocr') });
      expect(decision?.code).toBe('no_matching_allow');
      expect(rules.map(({ organisation, ruleId }) => `${organisation} ${ruleId}`)).toEqual([
        'acme admins',
        'acme partners',
        'acme no-voice',
        'globex readers',
      ]);
    });

    it('refuses what is no question', async () => {
      const good = asked('globex reader', 'create', 'run:');
      await expect(gateway.decide({ action: 'create' })).rejects.toEqual(refused('invalid_argument', 'no subject'));
      await expect(gateway.decide({ ...good, contextJson: '[1]' })).rejects.toEqual(
        refused('invalid_json', 'context_json'),
      );
      await expect(gateway.decide({ ...good, contextJson: `"${'x'.repeat(20_000)}"` })).rejects.toEqual(
        refused('payload_too_large'),
      );
      await expect(gateway.explain({})).rejects.toEqual(refused('invalid_argument'));
    });

    it('not for a service that has no business with it', async () => {
      const worker = await world.as('worker', hosted);
      await expect(worker.decide(asked('globex reader', 'create', 'run:'))).rejects.toEqual(
        refused('permission_denied'),
      );
    });
  });

  describe('distributes', () => {
    it('signed bundles that are not known yet, and every epoch in a heartbeat bound to the nonce', async () => {
      const sidecar = await world.as('sidecar', hosted);
      const verifier = await loadVerifier(world.keysDir);
      const all = await sidecar.getBundle({ knownEpochs: {}, nonce });
      const bundles = await Promise.all(all.bundlesJws.map((jws) => verifier.verifyBundle(jws)));
      expect(bundles.map(({ organisation, epoch }) => [organisation, epoch])).toEqual([
        ['acme', 1],
        ['globex', 1],
      ]);
      expect(all.organisations).toEqual(['acme', 'globex']);
      expect((await verifier.verifyHeartbeat(all.heartbeatJws, nonce)).epochs).toEqual({ acme: 1, globex: 1 });
      await expect(verifier.verifyHeartbeat(all.heartbeatJws, `${nonce}x`)).rejects.toEqual(refused('invalid_token'));
      const some = await sidecar.getBundle({ knownEpochs: { acme: 1n }, nonce });
      expect(some.bundlesJws).toEqual([all.bundlesJws[1]]);
    });

    it('nothing for a nonce that is too short', async () => {
      await expect(gateway.getBundle({ knownEpochs: {}, nonce: 'short' })).rejects.toEqual(
        refused('invalid_argument', 'nonce'),
      );
    });

    it('the issuers', async () => {
      const { issuers } = await gateway.getIssuers({});
      expect(issuers).toHaveLength(1);
      expect(issuers[0]).toMatchObject({
        organisation: 'acme',
        audience: 'cogmesh',
        algorithms: ['EdDSA'],
        tokenTypes: ['at+jwt'],
      });
      expect(JSON.parse(issuers[0]?.jwksJson ?? '')).toMatchObject({ keys: [{ kty: 'OKP' }] });
    });
  });

  describe('takes new policies', () => {
    it('in one step: next epoch, other decisions, one new bundle, one hint', async () => {
      const deliveries: Delivery[] = [];
      const events = { name: 'policy.events', type: 'topic' } as const;
      const queue = { name: 'test', kind: 'transient', bindings: [{ exchange: events, routingKey: '#' }] } as const;
      await world.hub.connect('test').consume(queue, async (batch) => {
        deliveries.push(...batch);
        return batch.map(() => 'ack');
      });
      expect(await put([], 1n)).toMatchObject({ epoch: 2n });
      expect(await gateway.decide(asked('acme admin', 'create', 'run:'))).toMatchObject({ allowed: false, epoch: 2n });
      const { bundlesJws } = await gateway.getBundle({ knownEpochs: { acme: 1n, globex: 1n }, nonce });
      expect(bundlesJws).toHaveLength(1);
      await vi.waitFor(() => expect(deliveries).toHaveLength(1));
      const [hint] = deliveries;
      if (hint === undefined) throw new Error('no hint');
      expect(decode(eventsV1.BundlePublishedSchema, hint)).toMatchObject({ organisation: 'acme', epoch: 2n });
    });

    it('and gives them back', async () => {
      const member = await world.asMember('acme admin', read, hosted);
      const { policySetJson, epoch } = await member.getPolicies({ organisation: 'acme' });
      expect(epoch).toBe(1n);
      const document = JSON.parse(policySetJson) as typeof acmePolicies & { grants: string[] };
      expect(document.policies.map(({ id }) => id)).toEqual(['admins', 'partners', 'no-voice']);
      expect(document.grants).toHaveLength(1);
      await expect(member.getPolicies({ organisation: 'globex' })).rejects.toEqual(refused('permission_denied'));
    });

    it.each([
      [
        'a bad condition',
        { policies: [{ policy: 'orgid == 1', permissions: ['read'], resources: ['/a'] }] },
        'policies[0].policy',
      ],
      ['another organisation', { organisation: 'globex', policies: [] }, 'organisation'],
      ['a grant that is none', { policies: [], grants: ['aaaa.bbbb.cccc'] }, 'grants[0]'],
    ])('but not %s, and then nothing changes', async (_what, document, path) => {
      const failure = await put(document).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(failure).toEqual(refused('invalid_policy'));
      expect(
        (failure as { details: { issues: { path: string }[] } }).details.issues.map((issue) => issue.path),
      ).toEqual([path]);
      expect(await epochs()).toEqual({ acme: 1, globex: 1 });
      expect((await gateway.decide(asked('acme admin', 'create', 'run:'))).allowed).toBe(true);
    });

    it('nor a grant of somebody else, twice the same, or altered', async () => {
      const foreign = await world.grant({ id: 'g2', grantor: 'globex', grantee: 'acme' });
      await expect(put({ policies: [], grants: [foreign] })).rejects.toEqual(
        refused('invalid_policy', 'given by globex'),
      );
      const own = await world.grant({ id: 'g3' });
      await expect(put({ policies: [], grants: [own, own] })).rejects.toEqual(refused('invalid_policy', 'two grants'));
      const [header, payload, signature] = own.split('.');
      const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as object;
      const wider = Buffer.from(JSON.stringify({ ...claims, actions: ['*'] })).toString('base64url');
      const altered = `${header ?? ''}.${wider}.${signature ?? ''}`;
      await expect(put({ policies: [], grants: [altered] })).rejects.toEqual(refused('invalid_policy', 'grants[0]'));
      expect(await epochs()).toEqual({ acme: 1, globex: 1 });
    });

    it('nor text that two parsers would read differently, or too much of it', async () => {
      const twice = '{"policies":[{"permissions":["read"],"resources":["/a"],"effect":"deny","effect":"allow"}]}';
      await expect(admin.putPolicies({ organisation: 'acme', policySetJson: twice })).rejects.toEqual(
        refused('invalid_policy', 'twice'),
      );
      const long = `{"policies":[]${' '.repeat(1024 * 1024)}}`;
      await expect(admin.putPolicies({ organisation: 'acme', policySetJson: long })).rejects.toEqual(
        refused('payload_too_large'),
      );
    });

    it('nor from who has no right to', async () => {
      const attempt = { organisation: 'acme', policySetJson: '[]' };
      const foreign = await world.asMember('globex reader', write, hosted);
      const operator = await world.asMember('acme operator', write, hosted);
      const reading = await world.asMember('acme admin', read, hosted);
      await expect(foreign.putPolicies(attempt)).rejects.toEqual(refused('permission_denied'));
      await expect(operator.putPolicies(attempt)).rejects.toEqual(refused('permission_denied', 'no policy of acme'));
      await expect(reading.putPolicies(attempt)).rejects.toEqual(refused('permission_denied', '"write"'));
      await expect(gateway.putPolicies(attempt)).rejects.toEqual(refused('permission_denied', 'permit'));
      await expect(admin.putPolicies({ ...attempt, organisation: 'globex' })).rejects.toEqual(
        refused('permission_denied', 'another organisation'),
      );
      expect(await epochs()).toEqual({ acme: 1, globex: 1 });
    });

    it('once per permit', async () => {
      const permit = await world.permit('acme admin', write, '/cogmesh.policy.v1.PolicyService/PutPolicies');
      const options = { metadata: { authorization: `Bearer ${permit}` } };
      const document = { organisation: 'acme', policySetJson: JSON.stringify(acmePolicies) };
      await admin.putPolicies(document, options);
      await expect(admin.putPolicies(document, options)).rejects.toEqual(refused('replayed_permit'));
    });

    it('from one of many that start from the same epoch', async () => {
      const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => put(acmePolicies, 1n)));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toEqual(refused('conflict', 'epoch 2'));
      expect(await epochs()).toEqual({ acme: 2, globex: 1 });
    });
  });

  describe('restarts', () => {
    it('with the policies and epochs it had, whatever the bootstrap folder says now', async () => {
      await put({ ...acmePolicies, policies: [{ id: 'kept', permissions: ['create'], resources: ['/runs'] }] });
      await world.write('policies/acme.json', []);
      await world.stop(hosted);
      hosted = await world.start();
      gateway = await world.as('gateway', hosted);
      expect(await epochs()).toEqual({ acme: 2, globex: 1 });
      expect(await gateway.decide(asked('acme anybody', 'create', 'run:'))).toMatchObject({
        allowed: true,
        rules: ['kept'],
      });
      expect((await gateway.getIssuers({})).issuers).toHaveLength(1);
    });

    it('and takes what is new in the bootstrap folder', async () => {
      await world.stop(hosted);
      await world.write('organisations.json', [{ name: 'acme' }, { name: 'globex' }, { name: 'initech' }]);
      hosted = await world.start();
      gateway = await world.as('gateway', hosted);
      expect(await epochs()).toEqual({ acme: 1, globex: 1, initech: 1 });
      expect((await gateway.decide(asked('initech x', 'create', 'run:'))).code).toBe('no_matching_allow');
    });
  });

  describe('refuses to start', () => {
    it.each([
      ['organisations.json', '[{"name": "../acme"}]', 'is not a name'],
      ['organisations.json', '[{"name": "acme"}, {"name": "acme"}]', 'twice'],
      ['organisations.json', '{"name": ', 'JSON'],
      ['issuers.json', '[{"issuer": "https://x", "organisation": "acme", "jwks": {"keys": []}}]', 'holds no keys'],
      ['issuers.json', '[{"issuer": "https://x", "organisation": "acme"}]', 'jwks'],
      ['policies/acme.json', '[{"permissions": ["read"], "resources": ["a"]}]', '[0].resources[0]'],
      ['policies/initech.json', '[]', 'no organisation "initech"'],
      ['grants/bad.jws', 'aaaa.bbbb.cccc', 'partner grant'],
    ])('with a bad %s (%s)', async (file, content, problem) => {
      await world.stop(hosted);
      await world.write('organisations.json', [{ name: 'acme' }, { name: 'globex' }, { name: 'hooli' }]);
      await world.write(file, content);
      await expect(world.start()).rejects.toEqual(refused('invalid_config', problem));
      await expect(world.start()).rejects.toEqual(refused('invalid_config', file));
      await world.forgetBootstrap();
      await world.writeBootstrap();
      hosted = await world.start();
      expect(await epochs(await world.as('gateway', hosted))).toEqual({ acme: 1, globex: 1 });
    });
  });

  it('is ready, and says what it has', async () => {
    expect(await hosted.running.readiness()).toMatchObject({
      ready: true,
      checks: { policies: { ready: true, detail: '2 organisations' }, database: { ready: true } },
    });
  });
});

describe('two instances on one PostgreSQL', () => {
  it('follow each other', async () => {
    const world = await PolicyWorld.create(await postgresUrl());
    await world.writeBootstrap();
    const [first, second] = [await world.start(), await world.start('beside')];
    const admin = await world.asMember('acme admin', write, first);
    const other = await world.as('gateway', second);
    await admin.putPolicies({ organisation: 'acme', policySetJson: '[]' });
    await vi.waitFor(async () => {
      expect(await other.decide(asked('acme admin', 'create', 'run:'))).toMatchObject({ allowed: false, epoch: 2n });
    });
    await world.close();
  });
});
