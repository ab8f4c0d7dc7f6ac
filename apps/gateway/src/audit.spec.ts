/** The decision log as the gateway keeps it and shows it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayWorld, until } from '../test/gateway-world.js';

let world: GatewayWorld;
beforeAll(async () => {
  world = await GatewayWorld.start({
    environment: {
      COGMESH_DECISION_LOG_SHIP_MS: '10',
      COGMESH_DECISION_LOG_WINDOW_MS: '10',
      COGMESH_DECISION_LOG_COUNT_MS: '10',
    },
  });
});
afterAll(() => world.stop());

const decisionsOf = (sub: string) =>
  world.policy.audit.records
    .filter(({ subject }) => subject.sub === sub)
    .flatMap(({ decisions }) => decisions.map(({ action, resource, allowed }) => [action, resource, allowed]));

describe('what the gateway decides to let through or not', () => {
  it('is logged: a refusal before it is answered, and a read soon after', async () => {
    expect((await world.fetch('guest', '/v1/runs')).status).toBe(403);
    expect((await world.fetch('acme', '/v1/runs')).status).toBe(200);
    await until(() => decisionsOf('guest').length > 0 && decisionsOf('acme').length > 0, 'both are shipped');
    expect(decisionsOf('guest')).toEqual([['list', '/runs', false]]);
    expect(decisionsOf('acme')).toEqual([['list', '/runs', true]]);
    const [record] = world.policy.audit.records;
    expect(record).toMatchObject({ point: 'gateway', subject: { organisation: 'globex' } });
    expect(record?.decisions[0]?.['decisionId']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it('is logged with every right that a run needs', async () => {
    const task = { id: 't', uses: 'model:acme/reader@1.0.0', input: {} };
    const init = { method: 'POST', body: JSON.stringify({ name: 'n', tasks: [task] }) };
    expect((await world.fetch('member', '/v1/runs', init)).status).toBe(202);
    await until(() => decisionsOf('member').length >= 2, 'it is shipped');
    expect(decisionsOf('member')).toEqual([
      ['create', '/runs', true],
      ['infer', '/models/acme/reader', true],
    ]);
  });
});

describe('GET /v1/audit', () => {
  it('answers a page of the caller’s organisation, newest first', async () => {
    const response = await world.fetch('member', '/v1/audit?limit=7');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      entries: [
        {
          position: 42,
          hash: 'b'.repeat(64),
          id: 's.1.0',
          at: '2026-09-21T14:13:20.000Z',
          point: 'gateway',
          subject: {
            issuer: 'https://i',
            sub: 'ann',
            organisation: 'globex',
            roles: ['member'],
            attributes: { team: '***' },
          },
          action: 'infer',
          resource: '/models/acme/reader',
          owner: 'acme',
          context: { zone: '***' },
          allowed: true,
          code: 'allowed',
          reason: 'so',
          rules: ['members'],
          epoch: 3,
          grant: 'grant_1',
          decisionId: 'd1',
          cached: true,
          count: 4,
        },
      ],
      nextCursor: 'n41',
    });
    expect(world.policy.audit.asked.at(-1)).toMatchObject({ organisation: 'globex', limit: 7, newestFirst: true });
  });

  it('passes on what is asked for', async () => {
    const query =
      'oldestFirst=true&after=1970-01-01T00:00:01Z&before=1970-01-01T00:00:02%2B00:00&sub=a&action=infer&resource=/models/&denied=true&cross=true&cursor=a9';
    expect((await world.fetch('member', `/v1/audit?${query}`)).status).toBe(200);
    expect(world.policy.audit.asked.at(-1)).toMatchObject({
      ...{ limit: 50, pageToken: 'a9', newestFirst: false, fromMs: 1_000n, toMs: 2_000n },
      ...{ sub: 'a', action: 'infer', resource: '/models/', deniedOnly: true, crossOrganisationOnly: true },
    });
  });

  it('refuses who may not, and what is no question', async () => {
    expect((await world.fetch('nobody', '/v1/audit')).status).toBe(401);
    expect((await world.fetch('guest', '/v1/audit')).status).toBe(403);
    expect((await world.fetch('guest', '/v1/audit/verification')).status).toBe(403);
    for (const query of ['limit=0', 'limit=501', 'after=yesterday', 'denied=maybe'])
      expect((await world.fetch('member', `/v1/audit?${query}`)).status, query).toBe(400);
    for (const query of ['from=0', 'knownPosition=3', `knownHash=${'a'.repeat(64)}`, 'knownPosition=1&knownHash=x'])
      expect((await world.fetch('member', `/v1/audit/verification?${query}`)).status, query).toBe(400);
  });
});

describe('GET /v1/audit/verification', () => {
  const verified = { verified: 41, position: 41, hash: 'a'.repeat(64), firstPosition: 1 };

  it('says where to go on, and when it is done', async () => {
    const first = await world.fetch('member', '/v1/audit/verification');
    expect(await first.json()).toEqual({ ...verified, next: 42, problem: null });
    const known = `knownPosition=3&knownHash=${'c'.repeat(64)}`;
    const last = await world.fetch('member', `/v1/audit/verification?from=42&${known}`);
    expect(await last.json()).toEqual({ ...verified, next: null, problem: null });
    const asked = { organisation: 'globex', fromPosition: 42n, knownPosition: 3n, knownHash: 'c'.repeat(64) };
    expect(world.policy.audit.asked.at(-1)).toMatchObject(asked);
  });

  it('names the place of a problem', async () => {
    world.policy.audit.problem = { position: 17n, problem: 'changed' };
    const answer = await world.fetch('member', '/v1/audit/verification');
    expect(await answer.json()).toEqual({ ...verified, next: null, problem: { position: 17, problem: 'changed' } });
    world.policy.audit.problem = undefined;
  });
});
