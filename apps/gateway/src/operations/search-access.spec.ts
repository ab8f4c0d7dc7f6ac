/** Which resources the registry adds to a search, and who may make one. Policy's side of it is apps/policy's search.spec.ts. */
import { create } from '@bufbuild/protobuf';
import { policySearchV1, policyV1, registryV1 } from '@cogmesh/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { AllowedProperties } from '../authzen/allowed-properties.js';
import type { SearchRequest } from '../authzen/search-request.js';
import { searchAccess } from './search-access.js';

const agents = [
  create(registryV1.AgentSchema, {
    id: 'agent_1',
    organisation: 'acme',
    state: registryV1.AgentState.READY,
    capabilities: [{ name: 'model:acme/ocr@1.0.0' }, { name: 'model:acme/ocr@2.0.0' }, { name: 'tool:acme/lookup' }],
  }),
  create(registryV1.AgentSchema, {
    id: 'agent_2',
    organisation: 'globex',
    state: registryV1.AgentState.READY,
    capabilities: [{ name: 'model:globex/voice@1.0.0' }, { name: 'script' }],
  }),
];

let asked: policySearchV1.SearchRequest[];
let mayAsk: boolean;
let questions: number;
beforeEach(() => {
  [asked, mayAsk, questions] = [[], true, 0];
});

const operation = searchAccess({
  decisions: {
    ask: (all: readonly unknown[]) => {
      questions += all.length;
      return Promise.resolve(
        all.map(() => create(policyV1.DecideResponseSchema, { allowed: mayAsk, code: 'allowed' })),
      );
    },
  },
  registry: { listAgents: () => Promise.resolve(create(registryV1.ListAgentsResponseSchema, { agents })) },
  search: {
    search: (request: policySearchV1.SearchRequest) => {
      asked.push(request);
      return Promise.resolve(create(policySearchV1.SearchResponseSchema, { ids: ['x'] }));
    },
  },
  askers: { role: 'pep', properties: new AllowedProperties(''), allowedRoles: () => [] },
} as unknown as Parameters<typeof searchAccess>[0]);

const search = (target: SearchRequest['target'], type: string, sub = 'alice', roles: string[] = []) =>
  operation({
    subject: { issuer: 'i', sub: 'carol', organisation: 'acme', roles, tokenId: '', attributes: {} },
    expiresAtMs: 0,
    signal: new AbortController().signal,
    input: {
      target,
      evaluation: {
        subject: { type: 'user', id: sub, properties: {} },
        action: { name: 'infer', properties: {} },
        resource: { type, id: '', properties: {} },
        context: {},
      },
      page: {},
    },
  });

describe('a search', () => {
  it.each([
    ['model', ['acme/ocr', 'globex/voice']],
    ['tool', ['acme/lookup']],
    ['agent', ['agent_1']],
    ['record', []],
  ])('for %s tries those that are served', async (type, candidates) => {
    expect(await search('resource', type)).toEqual({ found: ['x'], nextToken: '' });
    expect(asked[0]?.candidates).toEqual(candidates);
  });

  it('of subjects and actions asks the registry nothing', async () => {
    await search('subject', 'model');
    await search('action', 'model');
    expect(asked.map(({ candidates }) => candidates)).toEqual([[], []]);
  });

  it('about others is for who may ask, and what it finds is not told to anybody else', async () => {
    mayAsk = false;
    await expect(search('resource', 'model')).rejects.toMatchObject({ code: 'permission_denied' });
    await expect(search('subject', 'model', 'carol')).rejects.toMatchObject({ code: 'permission_denied' });
    expect(asked).toEqual([]);
    await search('resource', 'model', 'carol');
    await search('resource', 'model', 'alice', ['pep']);
    expect(asked).toHaveLength(2);
    expect(questions).toBe(2);
  });
});
