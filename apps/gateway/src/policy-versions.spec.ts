/** The REST face of policy versions: what arrives at the policy service, and what the caller gets. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GatewayWorld } from '../test/gateway-world.js';

let world: GatewayWorld;
beforeAll(async () => {
  world = await GatewayWorld.start();
});
afterAll(() => world.stop());

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  world.fetch('member', `/v1/policies/${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
const arrived = (name: string) => world.policy.versions.seen.get(name);
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

const flip = {
  organisation: 'acme',
  subject: 'ada',
  action: 'read',
  resource: '/runs',
  owner: 'globex',
  liveCode: 'allowed',
  candidateCode: 'no_grant',
  liveReason: 'now',
  candidateReason: 'then',
  count: 3,
  lastAt: '2026-09-21T14:13:20.000Z',
};

it('lists versions by pages', async () => {
  const page = (await (await send('GET', 'versions?limit=7&before=9')).json()) as object;
  expect(page).toEqual({
    versions: [
      {
        epoch: 2,
        writtenBy: 'ada',
        writtenAt: '2026-09-21T14:13:20.000Z',
        note: 'why',
        live: true,
        policies: 1,
        grants: 0,
      },
    ],
    nextBefore: 2,
  });
  expect(arrived('list')).toMatchObject({ organisation: 'globex', limit: 7, before: 9n });
  expect(await codeOf(await send('GET', 'versions?limit=0'))).toBe('invalid_argument');
});

it('reads one version', async () => {
  expect(await (await send('GET', 'versions/2')).json()).toMatchObject({ policySet: { policies: [] } });
  expect((await send('GET', 'versions/3')).status).toBe(404);
  expect(await codeOf(await send('GET', 'versions/first'))).toBe('invalid_argument');
});

it('rolls back, guarded by the epoch', async () => {
  const response = await send('POST', 'rollback', { toEpoch: 1 }, { 'if-match': '"2"' });
  expect(await response.json()).toEqual({ epoch: 3 });
  expect(response.headers.get('etag')).toBe('"3"');
  expect(arrived('rollback')).toMatchObject({ organisation: 'globex', toEpoch: 1n, expectedEpoch: 2n });
  expect(await codeOf(await send('POST', 'rollback', { to: 1 }))).toBe('invalid_argument');
});

it('puts, reads, promotes and drops a candidate', async () => {
  const put = await send('PUT', 'candidate?note=less', '{"policies":[]}');
  expect(await put.json()).toMatchObject({ id: 'c1', basedOnEpoch: 2, flips: [] });
  expect(arrived('putCandidate')).toMatchObject({ policySetJson: '{"policies":[]}', note: 'less' });
  expect(await codeOf(await send('PUT', 'candidate', '{"policies":'))).toBe('invalid_json');
  expect(await (await send('GET', 'candidate')).json()).toMatchObject({
    candidate: { compared: 9, skipped: 1, flipsToDeny: 3, flips: [flip] },
    policySet: [],
  });
  const promoted = await send('POST', 'candidate/promote', { candidate: 'c1' });
  expect(await promoted.json()).toEqual({ epoch: 4 });
  expect(arrived('promote')).toMatchObject({ candidateId: 'c1', expectedEpoch: 0n });
  expect((await send('DELETE', 'candidate')).status).toBe(204);
});

it('simulates, under a set or under the candidate', async () => {
  const asked = { policySet: { policies: [] }, from: '2026-01-01T00:00:00Z', limit: 10 };
  expect(await (await send('POST', 'simulate', asked)).json()).toEqual({
    replayed: 5,
    unchanged: 2,
    undecidable: 0,
    flipsToDeny: 3,
    flipsToAllow: 0,
    flips: [flip],
    flipsNotListed: 0,
    truncated: false,
  });
  expect(arrived('simulate')).toMatchObject({ policySetJson: '{"policies":[]}', limit: 10 });
  await send('POST', 'simulate', {});
  expect(arrived('simulate')).toMatchObject({ policySetJson: '', limit: 0 });
  expect(await codeOf(await send('POST', 'simulate', { from: 'yesterday' }))).toBe('invalid_argument');
});

it('keeps the note of a change', async () => {
  const put = (query: string) => world.fetch('member', `/v1/policies${query}`, { method: 'PUT', body: '[]' });
  expect((await put('?note=let%20auditors%20in')).status).toBe(200);
  expect(await codeOf(await put(`?note=${'x'.repeat(501)}`))).toBe('invalid_argument');
});

it('is not for who has no right', async () => {
  for (const path of ['versions', 'candidate'])
    expect((await world.fetch('guest', `/v1/policies/${path}`)).status).toBe(403);
  expect((await world.fetch('guest', '/v1/policies/rollback', { method: 'POST', body: '{"toEpoch":1}' })).status).toBe(
    403,
  );
});
