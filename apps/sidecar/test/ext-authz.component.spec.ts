/** Envoy's external authorization, asked as an Envoy asks it: raw gRPC calls to a running sidecar. */
import { extAuthzV3, schedulerV1 } from '@cogmesh/contracts';
import { addIssuerKey, developmentIssuerRecord, mintDevelopmentToken } from '@cogmesh/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const ok = 0;
const denied = 7;
const unavailable = 14;
const unauthenticated = 16;
const submit = `/${schedulerV1.SchedulerService.typeName}/SubmitRun`;

let world: SidecarWorld;
let token: string;

async function prepare({ dir, bundles }: SidecarWorld): Promise<void> {
  await addIssuerKey(`${dir}/keys`, 'development', { organisation: 'acme' });
  bundles.issuers = [await developmentIssuerRecord(`${dir}/keys`, { allowedRoles: ['reader'] })];
  bundles.policies = {
    policies: [
      { policy: "role == 'analyst'", permissions: ['create'], resources: ['/runs'] },
      { policy: "role == 'reader'", permissions: ['read'], resources: ['/api/v1/reports/*'] },
    ],
  };
}

beforeAll(async () => {
  world = await SidecarWorld.open({}, prepare);
  token = await mint('ann');
});
afterAll(() => world.close());

const mint = (sub: string, roles = ['reader']): Promise<string> =>
  mintDevelopmentToken(`${world.dir}/keys`, { sub, roles, ttlSeconds: 60 });

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly headerMap?: readonly (readonly [string, string])[];
  readonly token?: string;
  /** Of the route, from Envoy's configuration. */
  readonly extensions?: Record<string, string>;
}

async function ask(path: string, asked: Asked = {}): Promise<extAuthzV3.CheckResponse> {
  const { method = 'GET', headers = {}, headerMap, extensions = {} } = asked;
  const authorization = `Bearer ${asked.token ?? token}`;
  return world.client(extAuthzV3.Authorization).check({
    attributes: {
      contextExtensions: extensions,
      source: { address: { address: { case: 'socketAddress', value: { address: '10.0.0.7' } } } },
      request: {
        http: {
          ...{ id: '1', method, path, host: 'reports.example', scheme: 'https', protocol: 'HTTP/1.1' },
          ...(headerMap === undefined
            ? {
                headers: {
                  ':method': method,
                  ':path': path,
                  ':authority': 'reports.example',
                  authorization,
                  ...headers,
                },
              }
            : {
                headerMap: {
                  headers: headerMap.map(([key, value]) => ({ key, rawValue: Buffer.from(value) })),
                },
              }),
        },
      },
    },
  });
}

const get = (path: string): Promise<extAuthzV3.CheckResponse> => ask(path);

function deniedOf({ httpResponse }: extAuthzV3.CheckResponse): extAuthzV3.DeniedHttpResponse {
  if (httpResponse.case !== 'deniedResponse') throw new Error(`it is ${String(httpResponse.case)}`);
  return httpResponse.value;
}

function okOf({ httpResponse }: extAuthzV3.CheckResponse): extAuthzV3.OkHttpResponse {
  if (httpResponse.case !== 'okResponse') throw new Error(`it is ${String(httpResponse.case)}`);
  return httpResponse.value;
}

const headersOf = (answer: { headers: extAuthzV3.OkHttpResponse['headers'] }): Record<string, string> =>
  Object.fromEntries(answer.headers.map(({ header }) => [header?.key ?? '', header?.value ?? '']));

describe('a request that policy allows', () => {
  it('goes on with who calls, in headers that replace what was there', async () => {
    const answer = await ask('/api/v1/reports/7?page=2', { token: await mint('ann@example.com') });
    expect(answer.status?.code).toBe(ok);
    const value = okOf(answer);
    expect(headersOf(value)).toMatchObject({
      'x-cogmesh-subject': 'ann@example.com',
      'x-cogmesh-organisation': 'acme',
      'x-cogmesh-roles': 'reader',
    });
    expect(value.headers.every(({ append, appendAction }) => append === false && appendAction === 2)).toBe(true);
    expect(answer.dynamicMetadata).toMatchObject({ action: 'read', path: '/api/v1/reports/7' });
  });

  it('loses every identity header it brought, in any spelling, and keeps the rest', async () => {
    const brought = {
      'x-cogmesh-role': 'admin',
      x_cogmesh_subject: 'root',
      'x.cogmesh.subject': 'root',
      'x-forwarded-user': 'root',
      remote_user: 'root',
      'x-auth-request-email': 'root@acme.example',
      'x-envoy-original-path': '/admin',
      'x-original-url': '/admin',
      'x-http-method-override': 'DELETE',
      'x-authorization': 'Bearer x',
    };
    const answer = await ask('/api/v1/reports/7', {
      headers: { ...brought, 'x-cogmesh-subject': 'root', 'accept-language': 'en', 'x-request-id': '1' },
    });
    const { headersToRemove, ...value } = okOf(answer);
    expect([...headersToRemove].sort()).toEqual(Object.keys(brought).sort());
    expect(headersOf(value)['x-cogmesh-subject']).toBe('ann');
  });

  it('of a subject whose name has what a header cannot hold is told with it escaped', async () => {
    const value = okOf(await ask('/api/v1/reports/7', { token: await mint('ann x: 1,é%') }));
    expect(headersOf(value)['x-cogmesh-subject']).toBe('ann%20x:%201%2C%C3%A9%25');
  });

  it('is about what its route says, where that says more than its verb and path', async () => {
    const search = { method: 'POST', extensions: { virtual_host: 'any', 'cogmesh.action': 'read' } };
    expect((await ask('/api/v1/reports/7', search)).status?.code).toBe(ok);
    const mapped = { extensions: { 'cogmesh.resource': '/api/v1/reports/7' } };
    const answer = await ask('/reports.php?id=7', mapped);
    expect(answer.status?.code).toBe(ok);
    expect(answer.dynamicMetadata).toMatchObject({ path: '/reports.php', resource: '/api/v1/reports/7' });
    const elsewhere = { extensions: { 'cogmesh.resource': '/api/v1/admin' } };
    expect((await ask('/api/v1/reports/7', elsewhere)).status?.code).toBe(denied);
  });

  it.each<Record<string, string>>([
    { 'cogmesh.resource': '/api/v1/../reports/7' },
    { 'cogmesh.resource': '/api/v1/reports/7?x' },
    { 'cogmesh.resource': '' },
    { 'cogmesh.action': 'read all' },
    { 'cogmesh.organisation': 'globex' },
  ])('goes nowhere where its route says what nobody understands: %j', async (extensions) => {
    const answer = await ask('/api/v1/reports/7', { extensions });
    expect(answer.status?.code).toBe(unavailable);
    expect(deniedOf(answer).status?.code).toBe(500);
  });

  it('may come with raw headers', async () => {
    const answer = await ask('/api/v1/reports/7', { headerMap: [['Authorization', `Bearer ${token}`]] });
    expect(answer.status?.code).toBe(ok);
  });
});

describe('a request that ends here', () => {
  it.each<[string, string, Asked, number, number]>([
    ['no policy allows it', '/api/v1/admin', {}, denied, 403],
    ['no policy allows the verb', '/api/v1/reports/7', { method: 'DELETE' }, denied, 403],
    ['no action belongs to the verb', '/api/v1/reports/7', { method: 'TRACE' }, denied, 403],
    ['the verb is no word', '/api/v1/reports/7', { method: 'GET /x' }, denied, 400],
    ['a dot segment', '/api/v1/reports/../admin', {}, denied, 400],
    ['an escaped dot segment', '/api/v1/reports/%2e%2e/admin', {}, denied, 400],
    ['an escaped slash', '/api/v1/reports%2f7', {}, denied, 400],
    ['a double slash', '//api/v1/reports/7', {}, denied, 400],
    ['an inner double slash', '/api/v1//reports/7', {}, denied, 400],
    ['a trailing slash', '/api/v1/reports/7/', {}, denied, 400],
    ['a backslash', '/api/v1/reports\\7', {}, denied, 400],
    ['a path parameter', '/api/v1/reports/7;x=1', {}, denied, 400],
    ['a fragment', '/api/v1/reports/7#x', {}, denied, 400],
    ['a null byte', '/api/v1/reports/7\0', {}, denied, 400],
    ['no leading slash', 'api/v1/reports/7', {}, denied, 400],
    ['an absolute target', 'https://x/api/v1/reports/7', {}, denied, 400],
    ['an asterisk', '*', { method: 'OPTIONS' }, denied, 400],
    ['another path in the headers', '/api/v1/reports/7', { headers: { ':path': '/api/v1/reports/8' } }, denied, 400],
    ['another host in the headers', '/api/v1/reports/7', { headers: { host: 'other.example' } }, denied, 400],
    ['another scheme in the headers', '/api/v1/reports/7', { headers: { ':scheme': 'http' } }, denied, 400],
    ['another method in the headers', '/api/v1/reports/7', { headers: { ':method': 'POST' } }, denied, 400],
    [
      'two ends of the body',
      '/api/v1/reports/7',
      { headers: { 'content-length': '3', 'transfer-encoding': 'chunked' } },
      denied,
      400,
    ],
    ['two lengths', '/api/v1/reports/7', { headers: { 'content-length': '3, 4' } }, denied, 400],
    [
      'an encoding that is not plainly chunked',
      '/api/v1/reports/7',
      { headers: { 'transfer-encoding': 'xchunked' } },
      denied,
      400,
    ],
    ['no token', '/api/v1/reports/7', { headers: { authorization: '' } }, unauthenticated, 401],
    ['another scheme', '/api/v1/reports/7', { headers: { authorization: 'Basic YTpi' } }, unauthenticated, 401],
    ['two tokens in one header', '/api/v1/reports/7', { token: 'a.b.c,Bearer d.e.f' }, unauthenticated, 401],
    ['a token that is none', '/api/v1/reports/7', { token: 'a.b.c' }, unauthenticated, 401],
  ])('%s', async (_why, path, asked, code, http) => {
    const answer = await ask(path, asked);
    const value = deniedOf(answer);
    expect({ code: answer.status?.code, http: value.status?.code as number }).toEqual({ code, http });
    expect(headersOf(value)['content-type']).toBe('application/problem+json');
    expect(JSON.parse(value.body)).toMatchObject({ status: http });
    if (http === 401) expect(headersOf(value)['www-authenticate']).toMatch(/^Bearer realm="cogmesh"/);
  });

  it('a token that is none is told apart from none', async () => {
    const challenge = async (asked: Asked) =>
      headersOf(deniedOf(await ask('/api/v1/reports/7', asked)))['www-authenticate'];
    expect(await challenge({ headers: { authorization: '' } })).toBe('Bearer realm="cogmesh"');
    expect(await challenge({ token: 'a.b.c' })).toBe('Bearer realm="cogmesh", error="invalid_token"');
  });

  it('two authorization headers', async () => {
    const bearer = ['authorization', `Bearer ${token}`] as const;
    const answer = await ask('/api/v1/reports/7', { headerMap: [bearer, bearer] });
    expect(deniedOf(answer).status?.code).toBe(400);
  });

  it.each([
    {},
    { attributes: {} },
    { attributes: { request: {} } },
    { attributes: { request: { http: {} } } },
    { attributes: { request: { http: { path: '/api/v1/reports/7' } } } },
    { attributes: { request: { http: { method: 'GET' } } } },
  ])('a question without a request: %j', async (question) => {
    const answer = await world.client(extAuthzV3.Authorization).check(question);
    expect(answer.status?.code).toBe(denied);
    expect(deniedOf(answer).status?.code).toBe(403);
  });

  it('a role that the issuer may not give', async () => {
    expect((await ask('/api/v1/reports/7', { token: await mint('bob', ['admin']) })).status?.code).toBe(denied);
  });

  it('every request while policies are stale, as "later", not as "no"', async () => {
    world.bundles.answers = false;
    await expect.poll(async () => (await get('/api/v1/reports/7')).status?.code, { timeout: 5_000 }).toBe(unavailable);
    const value = deniedOf(await get('/api/v1/reports/7'));
    expect(value.status?.code).toBe(503);
    expect(headersOf(value)['retry-after']).toBe('1');
    expect(JSON.parse(value.body)).toMatchObject({ code: 'stale_policy' });
    world.bundles.answers = true;
    await expect.poll(async () => (await get('/api/v1/reports/7')).status?.code, { timeout: 5_000 }).toBe(ok);
  });

  it('every request of an issuer that is suspended', async () => {
    const [issuer] = world.bundles.issuers;
    if (issuer === undefined) throw new Error('there is no issuer');
    world.bundles.issuers = [{ ...issuer, suspended: true }];
    await expect.poll(async () => (await get('/api/v1/reports/7')).status?.code).toBe(unauthenticated);
    world.bundles.issuers = [issuer];
    await expect.poll(async () => (await get('/api/v1/reports/7')).status?.code).toBe(ok);
  });
});

describe('a call of the mesh itself, where an Envoy stands in for the proxy', () => {
  it('goes on with the proof that the service asks for, once', async () => {
    const { authorization } = await world.permit();
    const check = () => ask(submit, { method: 'POST', headers: { authorization } });
    const answer = await check();
    expect(answer.status?.code).toBe(ok);
    const { 'cogmesh-sidecar-proof': proof = '' } = headersOf(okOf(answer));
    const direct = world.client(schedulerV1.SchedulerService, world.serviceAddress);
    const run = await direct.submitRun(
      { documentJson: 'abc' },
      { metadata: { authorization, 'cogmesh-sidecar-proof': proof } },
    );
    expect(run.run?.id).toBe('run_3');
    expect((await check()).status?.code).toBe(unauthenticated);
  });

  it('is refused for another method, another verb, or without the right', async () => {
    const permit = async (roles?: string[]) => (await world.permit(roles === undefined ? {} : { roles })).authorization;
    const other = submit.replace('SubmitRun', 'CancelRun');
    expect((await ask(other, { method: 'POST', headers: { authorization: await permit() } })).status?.code).toBe(
      unauthenticated,
    );
    expect((await ask(submit, { headers: { authorization: await permit() } })).status?.code).toBe(denied);
    expect((await ask(submit, { method: 'POST', headers: { authorization: await permit([]) } })).status?.code).toBe(
      denied,
    );
  });
});

it('is not served where it is switched off', async () => {
  const closed = await SidecarWorld.open({ COGMESH_SIDECAR_EXT_AUTHZ: 'false' });
  try {
    const asking = closed.client(extAuthzV3.Authorization).check({});
    await expect(asking).rejects.toMatchObject({ code: 'unauthenticated' });
  } finally {
    await closed.close();
  }
});
