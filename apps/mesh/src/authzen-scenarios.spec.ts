/**
 * Scenarios that decision points of the Authorization API are compared by, with the policy sets of docs/examples/authzen and
 * a client that knows nothing of us: the certification's fixture, and the to-do application, the API gateway and the searches
 * of the interoperability events.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthzenWorld, type Who } from '../test/authzen-world.js';

const document = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../../../docs/examples/authzen/${name}.json`, import.meta.url), 'utf8'));

interface Client {
  (path: string, body: unknown, headers?: Record<string, string>, who?: Who): Promise<{ status: number; body: Answer }>;
  url: string;
}
interface Answer {
  readonly decision?: boolean;
  readonly evaluations?: readonly { decision: boolean; context?: { id: string } }[];
  readonly results?: readonly { id?: string; name?: string; type?: string }[];
  readonly page?: { next_token: string };
}

/** A scenario's decision point, asked with a token and nothing else. */
function scenario(name: string, properties: string): Client {
  let world: AuthzenWorld | undefined;
  const client: Client = async (path, body, headers, who = 'pep') => {
    const reply = await world!.post(who, path, body, headers);
    expect(reply.headers.get('content-type')).toMatch(reply.status === 200 ? /^application\/json/ : /json/);
    return reply;
  };
  beforeAll(async () => {
    world = await AuthzenWorld.start(
      { COGMESH_AUTHZEN_PROPERTIES: properties, COGMESH_RATE_PER_SECOND: '5', COGMESH_RATE_BURST: '50' },
      await document(name),
    );
    client.url = world.url;
  });
  afterAll(() => world?.stop());
  client.url = '';
  return client;
}

const decided = (body: Answer) => body.evaluations?.map(({ decision }) => decision);

describe('the certification scenario', () => {
  const ask = scenario('certification', 'subject.role, resource.status, action.soft');
  const user = (id: string, properties?: object) => ({ type: 'user', id, ...(properties && { properties }) });
  const record = (id: string, properties?: object) => ({ type: 'record', id, ...(properties && { properties }) });
  const action = (name: string, properties?: object) => ({ name, ...(properties && { properties }) });
  const archived = record('record-2', { status: 'archived' });
  const admin = user('bob', { role: 'admin' });
  const read = { subject: user('alice'), action: action('read'), resource: record('record-1') };

  it.each([
    ['alice reads', read, true],
    ['alice writes', { ...read, action: action('write') }, true],
    ['bob reads', { ...read, subject: user('bob') }, true],
    ['bob does not write', { ...read, subject: user('bob'), action: action('write') }, false],
    ['alice writes nothing archived', { ...read, action: action('write'), resource: archived }, false],
    [
      'nor what is said to be archived',
      { ...read, action: action('write'), resource: record('record-1', { status: 'archived' }) },
      false,
    ],
    ['an admin does', { subject: admin, action: action('write'), resource: archived }, true],
    [
      'any admin does',
      { ...read, subject: user('eve', { role: 'admin' }), action: action('write'), resource: archived },
      true,
    ],
    ['alice deletes softly', { ...read, action: action('delete', { soft: true }) }, true],
    ['and not for good', { ...read, action: action('delete', { soft: false }) }, false],
    ['properties nobody reads', { ...read, subject: user('alice', { department: 'Sales', role: 'manager' }) }, true],
    ['fields nobody knows', { ...read, foo: 'bar', futureField: { nested: true } }, true],
    ['a context nobody reads', { ...read, context: { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' } }, true],
  ])('%s', async (_what, body, decision) => {
    for (let i = 0; i < 2; i += 1) {
      const { status, body: answer } = await ask('evaluation', body);
      expect(status).toBe(200);
      expect(answer.decision).toBe(decision);
    }
  });

  it.each([
    [
      'each with its own everything',
      { evaluations: [read, { ...read, subject: user('bob'), action: action('write') }] },
      [true, false],
    ],
    [
      'with properties of a resource each',
      {
        ...read,
        action: action('write'),
        evaluations: [{ resource: record('record-1', { status: 'active' }) }, { resource: archived }],
      },
      [true, false],
    ],
    [
      'with properties of a subject each',
      { action: action('write'), resource: archived, evaluations: [{ subject: user('alice') }, { subject: admin }] },
      [false, true],
    ],
    [
      'with a context for all and one of its own',
      { ...read, context: { time: 'a' }, evaluations: [{}, { context: { time: 'b' } }] },
      [true, true],
    ],
    [
      'with a default that gives only what each leaves out',
      {
        subject: user('alice'),
        action: action('write'),
        resource: { type: 'record' },
        evaluations: [{ resource: { id: 'record-1', properties: { status: 'active' } } }, { resource: archived }],
      },
      [true, false],
    ],
    [
      'one of which lacks what no default gives',
      { subject: user('alice'), action: action('read'), evaluations: [{ resource: record('record-1') }, {}] },
      [true, false],
    ],
    [
      'one of which lacks what an unfinished default lacks too',
      { ...read, resource: { type: 'record' }, evaluations: [{ resource: { id: 'record-1' } }, {}] },
      [true, false],
    ],
  ])('decides many, %s', async (_what, body, want) => {
    const { status, body: answer } = await ask('evaluations', body);
    expect(status).toBe(200);
    expect(decided(answer)).toEqual(want);
  });

  it('answers the same request the same, and tells the ids of decisions where they are asked for', async () => {
    const many = { ...read, evaluations: [{}, { subject: user('bob'), action: action('write') }] };
    const { body } = await ask('evaluations', many);
    for (let i = 0; i < 3; i += 1) expect((await ask('evaluations', many)).body).toEqual(body);
    expect(body.evaluations?.[0]).toEqual({ decision: true });
    const told = await ask('evaluations', { ...many, options: { decision_ids: true } });
    const ids = (told.body.evaluations ?? []).map(({ context }) => context?.id);
    expect(new Set(ids).size).toBe(2);
    expect(ids.join()).toMatch(/^[0-9A-Z]{26},[0-9A-Z]{26}$/);
    expect((await ask('evaluations', { ...many, options: { decision_ids: 1 } })).status).toBe(400);
    const search = { ...read, subject: { type: 'user' } };
    expect((await ask('search/subject', search)).body).toEqual((await ask('search/subject', search)).body);
  });

  it('takes nothing of a default but a type, an id or a name', async () => {
    const soft = { action: action('delete', { soft: true }) };
    const evaluations = [{}, { action: { name: 'delete' } }, { action: { properties: { soft: true } } }];
    expect(decided((await ask('evaluations', { ...read, ...soft, evaluations })).body)).toEqual([true, false, true]);
  });

  it.each([
    ['text', { resource: 'record-1' }],
    ['of another type inside', { resource: { type: 7 } }],
    ['with an empty type', { resource: { type: '' } }],
    ['with properties that are none', { resource: { type: 'record', properties: [] } }],
  ])('refuses a default that is %s', async (_what, part) => {
    const evaluations = [{ resource: record('record-1') }];
    expect((await ask('evaluations', { ...read, ...part, evaluations })).status).toBe(400);
  });

  it.each<[string, object, readonly string[]]>([
    ['subject', { ...read, subject: { type: 'user' } }, ['alice', 'bob']],
    ['subject', { subject: { type: 'user' }, action: action('write'), resource: archived }, ['bob']],
    ['resource', { ...read, resource: { type: 'record' } }, ['record-1', 'record-2']],
    ['resource', { subject: admin, action: action('write'), resource: { type: 'record' } }, ['record-2']],
    ['action', { subject: user('alice'), resource: record('record-1') }, ['read', 'write']],
    ['action', { subject: admin, resource: archived }, ['read', 'write']],
    ['action', { subject: user('nonexistent-user'), resource: record('record-1') }, []],
    ['subject', { ...read, subject: { type: 'spaceship' } }, []],
    ['resource', { ...read, resource: { type: 'spaceship' } }, []],
  ])('finds each %s', async (target, body, want) => {
    for (const more of [{}, { context: { time: 'x' } }, { page: { limit: 10, size: 3 } }]) {
      const { status, body: answer } = await ask(`search/${target}`, { ...body, ...more });
      expect(status).toBe(200);
      expect(answer.results?.map(({ id, name }) => id ?? name)).toEqual(want);
      expect(answer.page?.next_token).toBe('');
    }
  });

  it('gives pages', async () => {
    const everybody = { ...read, subject: { type: 'user' } };
    const first = await ask('search/subject', { ...everybody, page: { limit: 1 } });
    expect(first.body).toMatchObject({ results: [{ id: 'alice' }], page: { next_token: /./ } } as object);
    const token = first.body.page?.next_token;
    const second = await ask('search/subject', { ...everybody, page: { token } });
    expect(second.body).toMatchObject({ results: [{ id: 'bob' }], page: { next_token: '' } });
  });

  it('refuses another media type with 400, on every endpoint', async () => {
    for (const path of ['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action'])
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])
        expect((await ask(path, JSON.stringify(read), { 'content-type': type })).status, `${path} ${type}`).toBe(400);
  });

  it('says which method is for what', async () => {
    for (const path of ['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action'])
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await fetch(`${ask.url}/access/v1/${path}`, { method, headers: { 'x-request-id': 'r-1' } });
        expect(response.status, `${method} ${path}`).toBe(405);
        expect(response.headers.get('allow')).toBe('POST');
        expect(response.headers.get('x-request-id')).toBe('r-1');
        expect(await response.json()).toMatchObject({ code: 'method_not_allowed', status: 405 });
      }
    const document = `${ask.url}/.well-known/authzen-configuration`;
    const posted = await fetch(document, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    for (const url of [document, `${document}/acme`]) {
      const head = await fetch(url, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
        200,
        'application/json; charset=utf-8',
        '',
      ]);
    }
  });

  it('is not limited as a caller that is no enforcement point is', async () => {
    const statuses = async (who?: Who) => {
      const all = await Promise.all(Array.from({ length: 300 }, () => ask('evaluation', read, {}, who)));
      return new Set(all.map(({ status }) => status));
    };
    expect(await statuses('carol')).toContain(429);
    expect(await statuses()).toEqual(new Set([200]));
  });
});

describe('the searches', () => {
  const ask = scenario('records', '');
  const found = async (target: string, body: object) =>
    (await ask(`search/${target}`, body)).body.results?.map(({ id, name }) => id ?? name);
  const user = (id: string) => ({ type: 'user', id });
  const record = (id: string) => ({ type: 'record', id });
  const by = (name: string) => ({ name });

  it.each<[string, string, readonly string[]]>([
    ['101', 'view', ['alice', 'bob', 'carol', 'dan']],
    ['101', 'edit', ['alice']],
    ['104', 'view', ['alice', 'dan', 'felix']],
    ['105', 'view', ['alice', 'bob', 'carol', 'dan', 'erin']],
    ['110', 'edit', ['alice', 'dan']],
    ['110', 'delete', ['dan']],
    ['115', 'view', ['alice', 'carol', 'dan', 'erin']],
    ['999', 'view', ['alice', 'dan']],
  ])('find who may do with record %s: %s', async (id, action, want) => {
    expect(await found('subject', { subject: { type: 'user' }, action: by(action), resource: record(id) })).toEqual(
      want,
    );
  });

  it.each<[string, string, readonly string[]]>([
    ['bob', 'view', ['101', '102', '103', '105', '108', '112', '114', '116', '117', '119', '120']],
    ['bob', 'edit', ['102', '108', '114', '120']],
    ['alice', 'edit', ['101', '107', '110', '113', '119']],
    ['felix', 'delete', ['106', '112', '118']],
    ['nobody', 'view', []],
  ])('find what %s may %s', async (sub, action, want) => {
    expect(await found('resource', { subject: user(sub), action: by(action), resource: { type: 'record' } })).toEqual(
      want,
    );
  });

  it.each<[string, string, readonly string[]]>([
    ['alice', '110', ['edit', 'view']],
    ['alice', '101', ['delete', 'edit', 'view']],
    ['dan', '115', ['edit', 'view']],
    ['felix', '102', []],
  ])('find what %s may do with record %s', async (sub, id, want) => {
    expect(await found('action', { subject: user(sub), resource: record(id) })).toEqual(want);
  });
});

const id = (letter: string) => `CiRmZD${letter}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs`;
const people = {
  rick: { id: id('A'), email: 'rick@the-citadel.com' },
  morty: { id: id('E'), email: 'morty@the-citadel.com' },
  summer: { id: id('I'), email: 'summer@the-smiths.com' },
  beth: { id: id('M'), email: 'beth@the-smiths.com' },
  jerry: { id: id('Q'), email: 'jerry@the-smiths.com' },
};
type Name = keyof typeof people;
const names = Object.keys(people) as Name[];

describe('the to-do application', () => {
  const ask = scenario('todo', 'resource.ownerID');
  const todo = (owner: Name) => ({
    type: 'todo',
    id: '7240d0db-8ff0-41ec-98b2-34a096273b9f',
    properties: { ownerID: people[owner].email },
  });

  it.each(names)('decides for %s, one by one and together', async (name) => {
    const editor = ['rick', 'morty', 'summer'].includes(name);
    const rick = name === 'rick';
    const cases: [string, object, boolean][] = [
      ['can_read_user', { type: 'user', id: people.beth.email }, true],
      ['can_read_todos', { type: 'todo', id: 'todo-1' }, true],
      ['can_create_todo', { type: 'todo', id: 'todo-1' }, editor],
      ['can_update_todo', todo(name), editor],
      ['can_update_todo', todo(rick ? 'morty' : 'rick'), rick],
      ['can_delete_todo', todo(name), editor],
      ['can_delete_todo', todo(rick ? 'morty' : 'rick'), rick],
    ];
    const subject = { type: 'user', id: people[name].id };
    for (const [action, resource, decision] of cases) {
      const { body } = await ask('evaluation', { subject, action: { name: action }, resource });
      expect(body.decision, `${action} ${JSON.stringify(resource)}`).toBe(decision);
    }
    const evaluations = cases.map(([action, resource]) => ({ action: { name: action }, resource }));
    const { body } = await ask('evaluations', { subject, evaluations });
    expect(decided(body)).toEqual(cases.map(([, , decision]) => decision));
  });
});

describe('the API gateway', () => {
  const ask = scenario('api-gateway', '');
  const routes: [string, string, (editor: boolean) => boolean][] = [
    ['GET', '/users/{userId}', () => true],
    ['GET', '/todos', () => true],
    ['POST', '/todos', (editor) => editor],
    ['PUT', '/todos/{todoId}', (editor) => editor],
    ['DELETE', '/todos/{todoId}', (editor) => editor],
    ['DELETE', '/todos', () => false],
    ['GET', '/todos/../users', () => false],
    ['GET', '//todos', () => false],
    ['GET', '/todos/', () => false],
  ];

  it.each(names)('decides for %s by the templates of its routes', async (name) => {
    const subject = { type: 'identity', id: people[name].id };
    const editor = ['rick', 'morty', 'summer'].includes(name);
    for (const [method, route, want] of routes) {
      const body = {
        subject,
        action: { name: method },
        resource: { type: 'route', id: route, properties: { uri: 'x' } },
      };
      expect((await ask('evaluation', body)).body.decision, `${method} ${route}`).toBe(want(editor));
    }
  });

  it('finds routes by their templates', async () => {
    const body = {
      subject: { type: 'identity', id: people.beth.id },
      action: { name: 'GET' },
      resource: { type: 'route' },
    };
    expect((await ask('search/resource', body)).body.results).toEqual([
      { type: 'route', id: '/todos' },
      { type: 'route', id: '/users/{userId}' },
    ]);
  });
});
