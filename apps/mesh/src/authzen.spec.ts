/** The Authorization API 1.0 over real HTTP: the gateway and the policy service as they are, nothing in between. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthzenWorld, type Who } from '../test/authzen-world.js';

let world: AuthzenWorld;

beforeAll(async () => {
  world = await AuthzenWorld.start({
    COGMESH_AUTHZEN_PROPERTIES:
      'subject.department, subject.roles, resource.status, resource.department, context.hour, action.method, globex/context.other',
    COGMESH_AUTHZEN_EVALUATIONS: '200',
  });
});
afterAll(() => world?.stop());

const user = (id: string, properties?: unknown) => ({ type: 'user', id, ...(properties ? { properties } : {}) });
const record = (id: string, properties?: unknown) => ({ type: 'record', id, ...(properties ? { properties } : {}) });
const question = (sub: string, name: string, id: string) => ({
  subject: user(sub),
  action: { name },
  resource: record(id),
});
const evaluation = async (body: unknown, who: Who = 'pep') => (await world.post(who, 'evaluation', body)).body;
const decisions = (body: Record<string, unknown>) =>
  (body['evaluations'] as { decision: boolean }[]).map(({ decision }) => decision);

describe('an evaluation', () => {
  it('permits, with the id of the decision', async () => {
    const { status, headers, body } = await world.post('pep', 'evaluation', question('alice', 'view', '101'));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toEqual({ decision: true, context: { id: expect.stringMatching(/^[0-9A-Z]{26}$/) as string } });
  });

  it('refuses with 200 and the reason', async () => {
    const { status, body } = await world.post('pep', 'evaluation', question('alice', 'view', '102'));
    expect(status).toBe(200);
    expect(body).toMatchObject({ decision: false, context: { code: 'no_matching_allow' } });
    expect((body['context'] as { reason_admin: { en: string } }).reason_admin.en).toContain('view');
  });

  it.each([
    ['a role that the policy set binds', question('alice', 'edit', '102'), true],
    ['a subject that is not bound', question('bob', 'edit', '102'), false],
    ['an unknown subject', question('nobody', 'view', '101'), false],
    ['an unknown resource type', { ...question('alice', 'view', '1'), resource: { type: 'planet', id: 'x' } }, false],
    ['an unknown action', question('alice', 'levitate', '101'), false],
    ['an id that is no path', question('alice', 'view', '../101'), false],
    ['a subject of another type', { ...question('r2', 'sweep', ''), resource: { type: 'hall', id: 'main' } }, false],
    [
      'the subject of its type',
      { subject: { type: 'robot', id: 'r2' }, action: { name: 'sweep' }, resource: { type: 'hall', id: 'main' } },
      true,
    ],
    ['members nobody knows', { ...question('alice', 'view', '101'), hint: 1, options: {} }, true],
  ])('about %s', async (_what, body, decision) => {
    expect(await evaluation(body)).toMatchObject({ decision });
  });

  it('takes no user for a subject of another type', async () => {
    const body = { ...question('robot::r2', 'sweep', ''), resource: { type: 'hall', id: 'main' } };
    expect(await evaluation(body)).toMatchObject({ decision: false });
  });

  it('says what must be done besides', async () => {
    expect(await evaluation(question('alice', 'sign', '101'))).toMatchObject({
      decision: true,
      context: { obligations: [{ id: 'mfa', type: 'step-up', properties: { acr: 'loa3' } }] },
    });
  });
});

describe('properties', () => {
  const newcomer = { ...question('dave', 'view', '101'), subject: user('dave', { department: 'Sales' }) };

  it('of a subject, a resource, the context and an action decide', async () => {
    expect(await evaluation(newcomer)).toMatchObject({ decision: true });
    const draft = { ...newcomer, resource: record('101', { status: 'draft' }) };
    expect(await evaluation(draft)).toMatchObject({ decision: false, context: { code: 'denied_by_rule' } });
    const print = { ...question('dave', 'print', '101'), context: { hour: 9 } };
    expect(await evaluation(print)).toMatchObject({ decision: true });
    expect(await evaluation({ ...print, context: { hour: 20 } })).toMatchObject({ decision: false });
    const call = { subject: user('dave'), resource: { type: 'route', id: 'pets' } };
    const post = { ...call, action: { name: 'call', properties: { method: 'POST' } } };
    expect(await evaluation(post)).toMatchObject({ decision: true });
    expect(await evaluation({ ...post, action: { name: 'call', properties: { method: 'GET' } } })).toMatchObject({
      decision: false,
    });
  });

  it('count from enforcement points only', async () => {
    expect(await evaluation(newcomer, 'auditor')).toMatchObject({ decision: false });
    const own = { ...question('carol', 'view', '101'), subject: user('carol', { department: 'Sales' }) };
    expect(await evaluation(own, 'carol')).toMatchObject({ decision: false });
  });

  it('count only under names that are allowed', async () => {
    const print = { ...question('dave', 'print', '101'), context: { other: 9 } };
    expect(await evaluation(print)).toMatchObject({ decision: false });
  });

  it('never stand against what the policy set says', async () => {
    const moved = { ...question('alice', 'view', '102'), subject: user('alice', { department: 'Legal' }) };
    expect(await evaluation(moved)).toMatchObject({ decision: false });
    const relabelled = { ...question('alice', 'view', '102'), resource: record('102', { department: 'Sales' }) };
    expect(await evaluation(relabelled)).toMatchObject({ decision: false });
  });

  it('give roles that the issuer may give, and no others', async () => {
    const as = (roles: unknown) => ({ ...question('dave', 'edit', '102'), subject: user('dave', { roles }) });
    expect(await evaluation(as(['manager']))).toMatchObject({ decision: true });
    expect(await evaluation(as(['root']))).toMatchObject({ decision: false });
    expect(await evaluation(as('manager'))).toMatchObject({ decision: false });
  });

  it('that are null are absent', async () => {
    const body = { ...question('dave', 'view', '101'), subject: user('dave', { department: null }) };
    expect(await evaluation(body)).toMatchObject({ decision: false });
  });

  it('that are too large are refused', async () => {
    const body = { ...newcomer, subject: user('dave', { department: 'x'.repeat(9_000) }) };
    const { status, body: problem } = await world.post('pep', 'evaluation', body);
    expect(status).toBe(400);
    expect(problem['detail']).toContain('subject.properties');
  });
});

describe('who may ask', () => {
  it('anybody about itself, as its token says', async () => {
    const own = { subject: user('carol'), action: { name: 'read' }, resource: { type: 'policy', id: '' } };
    expect(await evaluation(own, 'carol')).toMatchObject({ decision: true });
  });

  it('about others with the right to, or as an enforcement point', async () => {
    expect(await evaluation(question('alice', 'view', '101'), 'auditor')).toMatchObject({ decision: true });
    const { status, body } = await world.post('carol', 'evaluation', question('alice', 'view', '101'));
    expect(status).toBe(403);
    expect(body['detail']).toContain('/access');
  });

  it('not for another organisation', async () => {
    const headers = { authorization: `Bearer ${await world.token('pep', 'globex')}` };
    const { status } = await world.post('pep', 'evaluation', question('alice', 'view', '101'), headers);
    expect(status).toBe(403);
  });

  it('nobody without a token, and says how', async () => {
    for (const authorization of ['', 'Basic abc', 'Bearer nonsense']) {
      const { status, headers, body } = await world.post('pep', 'evaluation', {}, { authorization });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
      expect(body['detail']).toBeTypeOf('string');
    }
  });
});

describe('the gateway’s own enforcement', () => {
  it('refuses what is allowed with an obligation it does not know', async () => {
    const headers = { authorization: `Bearer ${await world.token('carol')}` };
    const response = await fetch(`${world.url}/v1/policies`, { headers });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'permission_denied', policyCode: 'unknown_obligation' });
  });
});

describe('a bad request', () => {
  const good = question('alice', 'view', '101');

  it.each([
    ['no subject', { action: good.action, resource: good.resource }],
    ['no action', { subject: good.subject, resource: good.resource }],
    ['no resource', { subject: good.subject, action: good.action }],
    ['no subject type', { ...good, subject: { id: 'alice' } }],
    ['no subject id', { ...good, subject: { type: 'user' } }],
    ['no action name', { ...good, action: {} }],
    ['no resource type', { ...good, resource: { id: '1' } }],
    ['no resource id', { ...good, resource: { type: 'record' } }],
    ['a number as an id', { ...good, subject: { type: 'user', id: 7 } }],
    ['an empty name', { ...good, action: { name: '' } }],
    ['a subject that is text', { ...good, subject: 'alice' }],
    ['a subject that is null', { ...good, subject: null }],
    ['a context that is a list', { ...good, context: [] }],
    ['a context that is null', { ...good, context: null }],
    ['properties that are text', { ...good, subject: user('alice', 'Sales') }],
    ['a list', [good]],
    ['text', '"alice"'],
    ['null', 'null'],
    ['nothing', ''],
    ['no JSON', '{"subject":'],
    ['two documents', `${JSON.stringify(good)}${JSON.stringify(good)}`],
    ['a name twice', `{"subject":{"type":"user","id":"alice","id":"bob"},${JSON.stringify(good).slice(1)}`],
    ['a name twice by an escape', '{"context":{"a":1,"\\u0061":2},' + JSON.stringify(good).slice(1)],
    ['half a surrogate pair', '{"context":{"a":"\\ud800"},' + JSON.stringify(good).slice(1)],
    ['a number beyond a double', '{"context":{"a":1e999},' + JSON.stringify(good).slice(1)],
    ['a tower of lists', `{"context":{"a":${'['.repeat(100)}${']'.repeat(100)}},${JSON.stringify(good).slice(1)}`],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('with %s is 400 with a message', async (_what, body) => {
    const reply = await world.post('pep', 'evaluation', body);
    expect(reply.status).toBe(400);
    expect(reply.body['detail']).toMatch(/\w/);
  });

  it('is refused by its media type, whatever its parameters', async () => {
    const send = async (type: string) =>
      (await world.post('pep', 'evaluation', JSON.stringify(good), { 'content-type': type })).status;
    expect(await send('application/json; charset=utf-8')).toBe(200);
    expect(await send('Application/JSON')).toBe(200);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'text/json'])
      expect(await send(type), type).toBe(400);
  });

  it('that is too large is 413', async () => {
    const body = { ...good, context: { padding: 'x'.repeat(1_100_000) } };
    expect((await world.post('pep', 'evaluation', body)).status).toBe(413);
  });
});

describe('X-Request-ID', () => {
  it.each([
    ['an answer', 'pep' as const, question('alice', 'view', '101'), 200],
    ['a bad request', 'pep' as const, '{', 400],
    ['a refusal to answer', 'stranger' as const, question('alice', 'view', '101'), 403],
  ])('comes back with %s', async (_what, who, body, status) => {
    const id = 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716 {any} text';
    const reply = await world.post(who, 'evaluation', body, { 'x-request-id': id });
    expect(reply.status).toBe(status);
    expect(reply.headers.get('x-request-id')).toBe(id);
  });

  it('comes back with 401, and is not made up', async () => {
    const refused = await world.post('pep', 'evaluation', {}, { authorization: '', 'x-request-id': 'r1' });
    expect(refused.headers.get('x-request-id')).toBe('r1');
    const { headers } = await world.post('pep', 'evaluation', question('alice', 'view', '101'));
    expect(headers.get('x-request-id')).toBeNull();
  });
});

describe('a consistency token', () => {
  it('is waited for by an evaluation, and refused when it is none', async () => {
    const ask = (token: string) =>
      world.post('pep', 'evaluation', question('alice', 'view', '101'), { 'cogmesh-consistency-token': token });
    expect((await ask('nonsense')).status).toBe(400);
    const admin = { authorization: `Bearer ${await world.token('auditor')}`, 'content-type': 'application/json' };
    const { issuer } = (await (await fetch(`${world.url}/v1/whoami`, { headers: admin })).json()) as { issuer: string };
    const body = JSON.stringify({ kind: 'subject', issuer, value: 'nobody' });
    const written = await fetch(`${world.url}/v1/revocations`, { method: 'POST', headers: admin, body });
    const token = written.headers.get('cogmesh-consistency-token') ?? '';
    expect(await ask(token)).toMatchObject({ status: 200, body: { decision: true } });
    expect(token).not.toBe('');
  });
});

describe('evaluations', () => {
  const ask = async (body: unknown, who: Who = 'pep') => (await world.post(who, 'evaluations', body)).body;
  const view = { subject: user('alice'), action: { name: 'view' } };
  const three = ['101', '102', '103'].map((id) => ({ resource: record(id) }));

  it('answer in order, with defaults from the top', async () => {
    const body = await ask({ ...view, evaluations: three });
    expect(decisions(body)).toEqual([true, false, true]);
    expect(body).not.toHaveProperty('decision');
  });

  it('take a member of their own in place of the whole default', async () => {
    const subject = user('dave', { department: 'Sales' });
    const evaluations = [{ resource: record('101') }, { resource: record('101'), subject: user('dave') }];
    expect(decisions(await ask({ subject, action: view.action, evaluations }))).toEqual([true, false]);
  });

  it.each([
    ['execute_all', [true, false, true]],
    ['deny_on_first_deny', [true, false]],
    ['permit_on_first_permit', [true]],
  ])('stop as %s says', async (semantic, want) => {
    const body = { ...view, evaluations: three, options: { evaluations_semantic: semantic, another: 1 } };
    expect(decisions(await ask(body))).toEqual(want);
  });

  it('go to the end when nothing settles the matter', async () => {
    const options = (evaluations_semantic: string) => ({ options: { evaluations_semantic } });
    const [first, second, third] = three;
    const denied = { ...view, evaluations: [second, second], ...options('permit_on_first_permit') };
    expect(decisions(await ask(denied))).toEqual([false, false]);
    const permitted = { ...view, evaluations: [first, third], ...options('deny_on_first_deny') };
    expect(decisions(await ask(permitted))).toEqual([true, true]);
  });

  it('are one evaluation when there is no list or none in it', async () => {
    const single = question('alice', 'view', '101');
    expect(await ask(single)).toMatchObject({ decision: true });
    expect(await ask({ ...single, evaluations: [] })).toMatchObject({ decision: true });
    expect((await world.post('pep', 'evaluations', { evaluations: [] })).status).toBe(400);
  });

  it('keep an error to the evaluation that has it', async () => {
    const body = await ask({ ...view, evaluations: [three[0], {}, { resource: { type: 'record' } }, three[2]] });
    expect(decisions(body)).toEqual([true, false, false, true]);
    expect((body['evaluations'] as unknown[])[1]).toMatchObject({
      context: { error: { status: 400, message: expect.stringContaining('evaluations[1].resource') as string } },
    });
    const options = { evaluations_semantic: 'deny_on_first_deny' };
    expect(decisions(await ask({ ...view, evaluations: [three[0], {}, three[2]], options }))).toEqual([true, false]);
  });

  it.each([
    ['an unknown semantic', { options: { evaluations_semantic: 'some' } }],
    ['a semantic that is no text', { options: { evaluations_semantic: true } }],
    ['options that are a list', { options: [] }],
    ['a list that is none', { evaluations: {} }],
    ['an evaluation that is none', { evaluations: [7] }],
    ['a default that is no subject', { subject: 'alice' }],
    ['too many', { evaluations: Array.from({ length: 201 }, () => ({ resource: record('1') })) }],
  ])('with %s are 400', async (_what, part) => {
    expect((await world.post('pep', 'evaluations', { ...view, evaluations: three, ...part })).status).toBe(400);
  });

  it('about others are for those who may ask', async () => {
    expect((await world.post('carol', 'evaluations', { ...view, evaluations: three })).status).toBe(403);
    expect(decisions(await ask({ ...view, evaluations: three }, 'auditor'))).toEqual([true, false, true]);
  });
});

describe('searches', () => {
  const search = async (target: string, body: unknown, who: Who = 'pep') => world.post(who, `search/${target}`, body);
  const ids = ({ body }: { body: Record<string, unknown> }) =>
    (body['results'] as { id: string }[]).map(({ id }) => id);

  it('find the subjects, whatever id was sent', async () => {
    const body = { subject: { type: 'user', id: 'zoe' }, action: { name: 'view' }, resource: record('101') };
    const reply = await search('subject', body);
    expect(reply.body).toEqual({
      page: { next_token: '', count: 1 },
      results: [{ type: 'user', id: 'alice' }],
    });
    const robots = {
      ...body,
      subject: { type: 'robot' },
      action: { name: 'sweep' },
      resource: { type: 'hall', id: 'main' },
    };
    expect((await search('subject', robots)).body['results']).toEqual([{ type: 'robot', id: 'r2' }]);
  });

  it('find the resources, each of which an evaluation permits', async () => {
    const reply = await search('resource', {
      subject: user('alice'),
      action: { name: 'view' },
      resource: { type: 'record' },
    });
    expect(ids(reply)).toEqual(['101', '103']);
    for (const id of ids(reply))
      expect(await evaluation(question('alice', 'view', id))).toMatchObject({ decision: true });
  });

  it('find the actions', async () => {
    const { body } = await search('action', { subject: user('alice'), resource: record('101') });
    expect(body['results']).toEqual([{ name: 'edit' }, { name: 'sign' }, { name: 'view' }]);
  });

  it.each([
    ['subject', { subject: { type: 'planet' }, action: { name: 'view' }, resource: record('101') }],
    ['subject', { subject: { type: 'user' }, action: { name: 'view' }, resource: record('999') }],
    ['resource', { subject: user('alice'), action: { name: 'view' }, resource: { type: 'planet' } }],
    ['resource', { subject: user('nobody'), action: { name: 'view' }, resource: { type: 'record' } }],
    ['action', { subject: user('alice'), resource: { type: 'planet', id: 'x' } }],
  ])('for what nobody knows find no %s', async (target, body) => {
    const reply = await search(target, body);
    expect(reply.status).toBe(200);
    expect(reply.body['results']).toEqual([]);
  });

  it('go by pages', async () => {
    const body = { subject: user('alice'), action: { name: 'edit' }, resource: { type: 'record' } };
    const first = await search('resource', { ...body, page: { limit: 2 } });
    expect(ids(first)).toEqual(['101', '102']);
    const token = (first.body['page'] as { next_token: string }).next_token;
    expect(token).not.toBe('');
    const second = await search('resource', { ...body, page: { token } });
    expect(ids(second)).toEqual(['103']);
    expect(second.body['page']).toEqual({ next_token: '', count: 1 });
    expect(ids(await search('resource', { ...body, page: { token, limit: 2 } }))).toEqual(['103']);
    const none = await search('resource', { ...body, page: { limit: 0 } });
    expect(none.body).toMatchObject({
      page: { count: 0, next_token: expect.stringMatching(/./) as string },
      results: [],
    });
  });

  it('refuse a page of another question', async () => {
    const body = { subject: user('alice'), action: { name: 'edit' }, resource: { type: 'record' } };
    const first = await search('resource', { ...body, page: { limit: 1 } });
    const token = (first.body['page'] as { next_token: string }).next_token;
    const changed = [
      { ...body, action: { name: 'view' }, page: { token } },
      { ...body, context: { hour: 1 }, page: { token } },
      { ...body, page: { token, limit: 2 } },
      { ...body, page: { token: `${token}x` } },
      { ...body, page: { token: 'nonsense' } },
      { ...body, page: { token: 7 } },
      { ...body, page: { limit: -1 } },
      { ...body, page: { limit: 1.5 } },
      { ...body, page: [] },
    ];
    for (const each of changed) expect((await search('resource', each)).status, JSON.stringify(each)).toBe(400);
    expect((await search('resource', { ...body, page: { token } }, 'auditor')).status).toBe(400);
  });

  it.each([
    ['subject', { subject: {}, action: { name: 'view' }, resource: record('1') }],
    ['subject', { subject: { type: 'user' }, resource: record('1') }],
    ['subject', { subject: { type: 'user' }, action: { name: 'view' }, resource: { type: 'record' } }],
    ['resource', { subject: { type: 'user' }, action: { name: 'view' }, resource: { type: 'record' } }],
    ['resource', { subject: user('alice'), action: { name: 'view' } }],
    ['action', { subject: user('alice') }],
    ['action', { resource: record('1') }],
  ])('for a %s that lack something are 400', async (target, body) => {
    expect((await search(target, body)).status).toBe(400);
  });

  it('leave out whoever is revoked, as an evaluation refuses it', async () => {
    const editors = { subject: { type: 'user' }, action: { name: 'edit' }, resource: record('101') };
    expect(ids(await search('subject', editors))).toEqual(['alice', 'mallory']);
    const auditor = { authorization: `Bearer ${await world.token('auditor')}`, 'content-type': 'application/json' };
    const { issuer } = (await (await fetch(`${world.url}/v1/whoami`, { headers: auditor })).json()) as {
      issuer: string;
    };
    const body = JSON.stringify({ kind: 'subject', issuer, value: 'mallory', reason: 'left' });
    const revoked = await fetch(`${world.url}/v1/revocations`, { method: 'POST', headers: auditor, body });
    expect(revoked.status, await revoked.text()).toBe(200);
    expect(ids(await search('subject', editors))).toEqual(['alice']);
    expect(await evaluation(question('mallory', 'edit', '101'))).toMatchObject({
      decision: false,
      context: { code: 'revoked' },
    });
  });

  it('are for those who may ask', async () => {
    const about = (sub: string) => ({ subject: user(sub), resource: { type: 'policy', id: '' } });
    expect((await search('action', about('carol'), 'carol')).body['results']).toEqual([{ name: 'read' }]);
    expect((await search('action', about('alice'), 'carol')).status).toBe(403);
    const everybody = { subject: { type: 'user' }, action: { name: 'view' }, resource: record('101') };
    expect((await search('subject', everybody, 'carol')).status).toBe(403);
  });
});

describe('the discovery document', () => {
  const read = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${world.url}/.well-known/authzen-configuration${path}`, { headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('names the decision point as it was asked, and endpoints that answer', async () => {
    const { body } = await read('');
    expect(body['policy_decision_point']).toBe(world.url);
    expect(body['capabilities']).toEqual(['urn:ietf:params:authzen:capability:search-pagination']);
    const headers = { authorization: `Bearer ${await world.token('pep')}`, 'content-type': 'application/json' };
    for (const [name, url] of Object.entries(body).filter(([key]) => key.endsWith('_endpoint'))) {
      const response = await fetch(String(url), { method: 'POST', headers, body: '{}' });
      expect(response.status, name).toBe(400);
    }
  });

  it('names the decision point of a tenant', async () => {
    const { body } = await read('/acme');
    expect(body['policy_decision_point']).toBe(`${world.url}/acme`);
    expect((await read('/nobody-knows')).status).toBe(200);
    expect((await read('/%2e%2e')).status).toBeGreaterThanOrEqual(400);
  });
});
