import { DecisionEngine, parsePolicySet, type AccessRequest } from '@cogmesh/policy-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { search, type Search } from './search.js';

const acme = parsePolicySet({
  roles: { keeper: {} },
  bindings: [{ id: 'b', role: 'keeper', subjects: [{ sub: 'kim' }, { sub: 'robot::r2' }] }],
  entities: { 'user:ann': { attributes: { level: 3 } }, 'record:7': { attributes: { level: 2 } } },
  policies: [
    { id: 'keep', policy: "role == 'keeper'", permissions: ['keep'], resources: ['/record/*', '/hall/main'] },
    {
      id: 'level',
      policy: 'attributes.level >= resource.attributes.level',
      permissions: ['read'],
      resources: ['/record/*'],
    },
    {
      id: 'named',
      policy: 'sub in ["zed", \'kim\']',
      permissions: ['open'],
      resources: ['/hall/main', '/models/acme/x'],
    },
    { id: 'not-zed', policy: "sub == 'zed'", permissions: ['*'], resources: ['/models/**'], effect: 'deny' },
  ],
});
const globex = parsePolicySet([
  { id: 'all', permissions: ['polish'], resources: ['/models/globex/**', '/record/secret'] },
]);

const engine = new DecisionEngine();
engine.replace({ organisation: 'acme', epoch: 1, document: acme, grants: [] });
engine.replace({ organisation: 'globex', epoch: 1, document: globex, grants: [] });
const sets = new Map([
  ['acme', acme],
  ['globex', globex],
]);
const sources = {
  allows: async (requests: readonly AccessRequest[]) => requests.map((each) => engine.decide(each).allowed),
  setOf: (name: string) => sets.get(name),
};

const request = (sub: string, action: string, type: string, id = ''): AccessRequest => ({
  subject: { issuer: 'https://acme', sub, organisation: 'acme', roles: [], attributes: {} },
  action,
  resource: { type, id },
  nowMs: 0,
});
const asked = (target: Search['target'], of: AccessRequest, more: Partial<Search> = {}): Search => ({
  ...{ target, request: of, subjectType: 'user', candidates: [], limit: 100, cursor: '' },
  ...more,
});
const found = async (wanted: Search) => (await search(sources, wanted)).ids;

describe('a search', () => {
  it('finds subjects that are bound, described, or named in a condition', async () => {
    expect(await found(asked('subject', request('', 'keep', 'record', '7')))).toEqual(['kim']);
    expect(await found(asked('subject', request('', 'read', 'record', '7')))).toEqual(['ann']);
    expect(await found(asked('subject', request('', 'open', 'hall', 'main')))).toEqual(['kim', 'zed']);
    expect(await found(asked('subject', request('', 'open', 'model', 'acme/x')))).toEqual(['kim']);
  });

  it('finds subjects of another type by the type in their name', async () => {
    const robots = asked('subject', request('', 'keep', 'hall', 'main'), { subjectType: 'robot' });
    expect(await found(robots)).toEqual(['r2']);
  });

  it('finds resources that are described, named, or brought along', async () => {
    expect(await found(asked('resource', request('kim', 'keep', 'record')))).toEqual(['7']);
    expect(await found(asked('resource', request('kim', 'keep', 'record'), { candidates: ['9', '7'] }))).toEqual([
      '7',
      '9',
    ]);
    expect(await found(asked('resource', request('kim', 'open', 'hall')))).toEqual(['main']);
    expect(await found(asked('resource', request('kim', 'open', 'model')))).toEqual(['acme/x']);
    expect(await found(asked('resource', request('kim', 'open', 'planet')))).toEqual([]);
  });

  it('finds actions', async () => {
    expect(await found(asked('action', request('kim', '', 'hall', 'main')))).toEqual(['keep', 'open']);
    expect(await found(asked('action', request('zed', '', 'model', 'acme/x')))).toEqual([]);
  });

  it('tells nothing that only another organisation names', async () => {
    expect(await found(asked('resource', request('kim', 'polish', 'record')))).toEqual([]);
  });

  it('gives the same on pages of any size, each result once', async () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(ids, fc.integer({ min: 1, max: 7 }), async (candidates, limit) => {
        const wanted = asked('resource', request('kim', 'keep', 'record'), { candidates });
        const whole = await found(wanted);
        const pages: string[] = [];
        for (let cursor = '', more = true; more;) {
          const page = await search(sources, { ...wanted, limit, cursor });
          expect(page.ids.length).toBeLessThanOrEqual(limit);
          pages.push(...page.ids);
          [cursor, more] = [page.nextCursor, page.hasMore];
        }
        expect(pages).toEqual(whole);
        expect(whole).toEqual([...new Set([...candidates, '7'])].toSorted());
      }),
      { numRuns: 30 },
    );
  });

  it('goes on where so many were refused that a call ended, and says that there is more when it may give none', async () => {
    const candidates = Array.from({ length: 6_000 }, (_, i) => `zz${String(i).padStart(5, '0')}`);
    const wanted = asked('subject', request('', 'open', 'hall', 'main'), { candidates });
    const first = await search(sources, wanted);
    expect(first).toMatchObject({ ids: ['kim', 'zed'], hasMore: true });
    expect(await search(sources, { ...wanted, cursor: first.nextCursor })).toEqual({
      ids: [],
      nextCursor: '',
      hasMore: false,
      tried: 1_003,
    });
    expect(await search(sources, { ...wanted, limit: 0 })).toMatchObject({ ids: [], hasMore: true });
  });
});
