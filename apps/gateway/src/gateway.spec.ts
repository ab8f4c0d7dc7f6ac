/** The real gateway over HTTP among neighbours faked by contract: what only REST has, and what happens when things go wrong. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { document, prepare, unknownRun, type Things } from '../test/face-table.js';
import { GatewayWorld, until } from '../test/gateway-world.js';

let world: GatewayWorld;
let things: Things;

beforeAll(async () => {
  world = await GatewayWorld.start({ environment: { COGMESH_BLOB_BYTES: '262144', COGMESH_JSON_BODY_BYTES: '2048' } });
  things = await prepare(world);
});
afterAll(() => world.stop());

const submit = (body: string, headers: Record<string, string> = {}) =>
  world.fetch('member', '/v1/runs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
const problemOf = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: response.status, type: `urn:cogmesh:error:${String(problem['code'])}` });
  return problem;
};

describe('problems', () => {
  it('says where JSON is malformed', async () => {
    const response = await submit('{\n "tasks": [ }');
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_json', line: 2, column: 13 });
  });

  it('hands on every problem the scheduler finds', async () => {
    expect(await problemOf(await submit('{"tasks":[]}'))).toMatchObject({
      code: 'invalid_run',
      errors: [{ path: 'tasks', code: 'missing' }],
    });
  });

  it.each([
    ['nobody', 'unauthenticated', 'Bearer realm="cogmesh"'],
    ['expired', 'expired_token', 'error="invalid_token"'],
    ['forged', 'invalid_token', 'error="invalid_token"'],
  ] as const)('challenges %s', async (who, code, challenge) => {
    const response = await world.fetch(who, '/v1/whoami');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain(challenge);
    expect(await problemOf(response)).toMatchObject({ code });
  });

  it('names rule and decision of a denial', async () => {
    const response = await submit(document({}, ['model:acme/secret-plans', 'model:acme/reader']));
    expect(response.status).toBe(403);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({
      code: 'permission_denied',
      resource: '/models/acme/secret-plans',
      rules: ['no-secrets'],
      policyCode: 'denied_by_rule',
    });
    expect(problem['decisionId']).toMatch(/^[0-9A-Z]{26}$/);
    expect(problem['denials']).toHaveLength(1);
  });

  it.each(['/', '/v1', '/v1/nothing', '/v2/runs', '/v1/runs/x/y/z', '/%zz', `/v1/runs/${'x'.repeat(300)}`])(
    'knows no %s',
    async (path) => {
      const response = await world.fetch('member', path);
      expect([400, 404, 414]).toContain(response.status);
      expect(await problemOf(response)).toHaveProperty('code');
    },
  );

  it('reads no body before it knows the caller, and none past the limit', async () => {
    const big = 'x'.repeat(4096);
    const cancel = (who: 'nobody' | 'member') =>
      world.fetch(who, `/v1/runs/${things.run}/cancel`, { method: 'POST', body: JSON.stringify({ reason: big }) });
    expect((await cancel('nobody')).status).toBe(401);
    const response = await cancel('member');
    expect(response.status).toBe(413);
    expect(await problemOf(response)).toMatchObject({ code: 'payload_too_large', limitBytes: 2048 });
  });

  it('refuses a body of the wrong shape with its places', async () => {
    const response = await world.fetch('member', '/v1/policy/explain', {
      method: 'POST',
      body: '{"action":"List!","resource":5}',
    });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: 'invalid_argument', errors: [{ path: 'action' }, { path: 'resource' }] });
  });
});

describe('runs', () => {
  it('accepts with a location, a trace of its own, and the caller’s trace as a link', async () => {
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    const response = await submit(
      document({ image: { $blob: things.blob } }, [
        'model:acme/reader@^1',
        'model:local',
        'tool:acme/lookup',
        'script',
      ]),
      { traceparent },
    );
    expect(response.status).toBe(202);
    const run = (await response.json()) as { id: string };
    expect(response.headers.get('location')).toBe(`/v1/runs/${run.id}`);
    const submitted = world.scheduler.submitted.at(-1);
    expect(submitted?.callerTraceparent).toBe(traceparent);
    expect(submitted?.permit).toMatchObject({
      audience: 'scheduler',
      method: '/cogmesh.scheduler.v1.SchedulerService/SubmitRun',
      subject: { organisation: 'globex', sub: 'member' },
      grants: ['grant_1'],
    });
    expect(submitted?.permit.access.map(({ action, resource }) => `${action} ${resource}`)).toEqual([
      'create /runs',
      'infer /models/acme/reader',
      'infer /models/globex/local',
      'infer /tools/acme/lookup',
      `read /blobs/${things.blob}`,
    ]);
  });

  it('sends the document’s text as it came', async () => {
    const text = '{ "tasks" : [{"id":"a","uses":"script"}], "input": 12345678901234567890 }';
    await submit(text);
    expect(world.scheduler.submitted.at(-1)?.documentJson).toBe(text);
  });

  it('asks once more with a new permit when an enforcement point has restarted, and no more than once', async () => {
    const before = world.scheduler.submitted.length;
    const replayed = () => new CogmeshError('replayed_permit', 'older than this enforcement point');
    world.scheduler.failures.push(replayed());
    expect((await submit(document())).status).toBe(202);
    expect(world.scheduler.submitted.length).toBe(before + 1);
    world.scheduler.failures.push(replayed(), replayed());
    const response = await submit(document());
    expect(response.status).toBe(503);
    expect(await problemOf(response)).toMatchObject({ code: 'unavailable' });
  });

  it('has no traces where no store is configured', async () => {
    const response = await world.fetch('member', `/v1/runs/${things.run}/trace`);
    expect(response.status).toBe(501);
    expect((await problemOf(response))['detail']).toContain('COGMESH_TRACE_STORE');
  });
});

describe('blobs', () => {
  const upload = (body: RequestInit['body'], headers: Record<string, string> = { 'content-type': 'image/png' }) =>
    world.fetch('member', '/v1/blobs', {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
      headers,
      duplex: 'half',
    });

  it('takes bytes of any type, JSON too, and gives them back untouched', async () => {
    const bytes = randomBytes(200_000);
    const stored = await upload(bytes, { 'content-type': 'application/json' });
    expect(stored.status).toBe(201);
    const { id } = (await stored.json()) as { id: string };
    expect(stored.headers.get('location')).toBe(`/v1/blobs/${id}`);
    const response = await world.fetch('member', `/v1/blobs/${id}`);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('content-disposition')).toContain('attachment');
    const again = await world.fetch('member', `/v1/blobs/${id}`, {
      headers: { 'if-none-match': response.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
  });

  it('refuses what is too large, announced or not, and keeps nothing of it', async () => {
    const files = await world.blobFiles();
    expect((await upload(Buffer.alloc(262_145))).status).toBe(413);
    const unannounced = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(Buffer.alloc(65_536)),
    });
    expect((await upload(unannounced as never)).status).toBe(413);
    expect(await world.blobFiles()).toEqual(files);
  });

  it('keeps nothing of an upload whose client left', async () => {
    const files = await world.blobFiles();
    const { hostname, port } = new URL(world.url);
    const { authorization } = await world.headers('member');
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v1/blobs HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: image/png\r\ncontent-length: 100000\r\n\r\nhalf`,
    );
    await until(async () => (await world.blobFiles()).length > files.length, 'the upload begins');
    socket.destroy();
    await until(async () => (await world.blobFiles()).length === files.length, 'the half upload goes');
  });

  it('deletes for good, and only what is the caller’s', async () => {
    expect((await world.fetch('member', `/v1/blobs/${things.acmeBlob}`, { method: 'DELETE' })).status).toBe(404);
    const { id } = (await (await upload(Buffer.from('x'))).json()) as { id: string };
    expect((await world.fetch('member', `/v1/blobs/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await world.fetch('member', `/v1/blobs/${id}`)).status).toBe(404);
    expect(await world.blobFiles()).not.toContain(id);
  });
});

describe('policies', () => {
  it('reads and replaces the caller’s own, guarded by the epoch', async () => {
    const read = await world.fetch('member', '/v1/policies');
    expect(await read.json()).toEqual({ epoch: 1, policySet: [] });
    const put = (ifMatch: string) =>
      world.fetch('member', '/v1/policies', {
        method: 'PUT',
        body: '[{"permissions":["*"]}]',
        headers: { 'if-match': ifMatch },
      });
    const replaced = await put(read.headers.get('etag') ?? '');
    expect(await replaced.json()).toEqual({ epoch: 2 });
    expect(world.policy.sets.get('globex')?.text).toBe('[{"permissions":["*"]}]');
    expect(await problemOf(await put('"1"'))).toMatchObject({ code: 'conflict' });
    expect((await world.fetch('guest', '/v1/policies', { method: 'PUT', body: '[]' })).status).toBe(403);
  });

  it('explains without showing another organisation’s rules', async () => {
    const body = JSON.stringify({ action: 'list', resource: '/runs' });
    const response = await world.fetch('member', '/v1/policy/explain', { method: 'POST', body });
    expect(await response.json()).toMatchObject({
      allowed: true,
      rules: [{ organisation: 'globex', id: 'members', outcome: 'matched' }],
    });
  });
});

describe('when policy is away', () => {
  it('refuses everything, and recovers by itself', async () => {
    await world.stopServing('policy');
    const response = await submit(document());
    expect(response.status).toBe(503);
    expect(await problemOf(response)).toMatchObject({ code: 'unavailable' });
    expect(response.headers.get('retry-after')).toBe('1');
    await until(async () => !(await fetch(`${world.url}/readyz`)).ok, 'readiness tells');
    const ready: unknown = await (await fetch(`${world.url}/readyz`)).json();
    expect(ready).toMatchObject({ ready: false, checks: { policy: { ready: false }, database: { ready: true } } });
    await world.serve('policy');
    await until(async () => (await submit(document())).status === 202, 'runs are accepted again');
  });

  it('takes a short answer for no answer', async () => {
    world.policy.missing = 1;
    const response = await submit(document());
    world.policy.missing = 0;
    expect(response.status).toBe(503);
  });
});

it('tells per model whether it is ready', async () => {
  const models = async () => ((await (await fetch(`${world.url}/readyz`)).json()) as { models: object }).models;
  await until(async () => Object.keys(await models()).length === 2, 'both models are served');
  expect(await models()).toEqual({ 'acme/reader@1.0.0': { ready: true }, 'acme/secret-plans@1.0.0': { ready: true } });
});

it('forgets a suspended issuer within the refresh', async () => {
  const issuer = world.policy.issuers.find(({ organisation }) => organisation === 'acme');
  if (issuer === undefined) throw new Error('acme has an issuer');
  expect((await world.fetch('acme', '/v1/whoami')).status).toBe(200);
  world.policy.issuers = world.policy.issuers.map((record) =>
    record === issuer ? { ...record, suspended: true } : record,
  );
  await until(async () => (await world.fetch('acme', '/v1/whoami')).status === 401, 'the issuer is suspended');
  world.policy.issuers = world.policy.issuers.map((record) => (record.organisation === 'acme' ? issuer : record));
  await until(async () => (await world.fetch('acme', '/v1/whoami')).status === 200, 'the issuer is back');
});

it('answers a watch of an unknown run with a problem, not a stream', async () => {
  const response = await world.fetch('member', `/v1/runs/${unknownRun}/events`);
  expect(response.status).toBe(404);
  expect(await problemOf(response)).toMatchObject({ code: 'not_found' });
});

it('tells an EventSource that saw everything not to come back', async () => {
  const response = await world.fetch('member', `/v1/runs/${things.overRun}/events`, {
    headers: { 'last-event-id': '3' },
  });
  expect(response.status).toBe(204);
  expect(schedulerV1.RunState.SUCCEEDED).toBe(world.scheduler.runs.get(things.overRun)?.state);
});
