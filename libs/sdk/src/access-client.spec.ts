import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContractServer, json, problem } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';

const alice = { type: 'user', id: 'alice' };
const record = { type: 'record', id: '101' };
const view = { name: 'view' };

let server: ContractServer;
let client: CogmeshClient;

beforeEach(async () => {
  server = await ContractServer.start();
  client = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 });
});
afterEach(() => server.stop());

const sent = () => server.asked.map(({ body }) => JSON.parse(String(body)) as unknown);

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

describe('the client of the Authorization API', () => {
  it('asks one question', async () => {
    const decision = { decision: false, context: { code: 'no_matching_allow' } };
    server.answer(json(decision, 200));
    const question = { subject: alice, action: view, resource: record, context: { hour: 9 } };
    expect(await client.access.evaluate(question)).toEqual(decision);
    expect(server.asked[0]).toMatchObject({ method: 'POST', url: '/access/v1/evaluation' });
    expect(sent()).toEqual([question]);
  });

  it('asks many with defaults and a semantic', async () => {
    server.answer(json({ evaluations: [{ decision: true }] }, 200));
    const defaults = { subject: alice, action: view };
    const answers = await client.access.evaluateAll([{ resource: record }], {
      defaults,
      semantic: 'deny_on_first_deny',
    });
    expect(answers).toEqual([{ decision: true }]);
    const options = { evaluations_semantic: 'deny_on_first_deny' };
    expect(sent()).toEqual([{ ...defaults, evaluations: [{ resource: record }], options }]);
  });

  it('asks for the ids of decisions', async () => {
    server.answer(json({ evaluations: [{ decision: true, context: { id: 'd1' } }] }, 200));
    const question = { subject: alice, action: view, resource: record };
    const answers = await client.access.evaluateAll([question], { decisionIds: true });
    expect(answers).toEqual([{ decision: true, context: { id: 'd1' } }]);
    expect(sent()).toEqual([{ evaluations: [question], options: { decision_ids: true } }]);
  });

  it('asks nothing for no question', async () => {
    expect(await client.access.evaluateAll([])).toEqual([]);
    expect(server.asked).toEqual([]);
  });

  it('goes from page to page', async () => {
    const found = (id: string) => ({ type: 'record', id });
    server.answer(
      json({ page: { next_token: 't1' }, results: [found('1'), found('2')] }, 200),
      json({ page: { next_token: '' }, results: [found('3')] }, 200),
    );
    const search = { subject: alice, action: view, resource: { type: 'record' } };
    expect(await collect(client.access.resources({ ...search, pageSize: 2 }))).toEqual(['1', '2', '3'].map(found));
    expect(sent()).toEqual([
      { ...search, page: { limit: 2 } },
      { ...search, page: { limit: 2, token: 't1' } },
    ]);
  });

  it('finds subjects and actions, and takes an answer without page for the whole', async () => {
    server.answer(json({ results: [alice] }, 200), json({ results: [view] }, 200));
    const subjects = client.access.subjects({ subject: { type: 'user' }, action: view, resource: record });
    expect(await collect(subjects)).toEqual([alice]);
    expect(await collect(client.access.actions({ subject: alice, resource: record }))).toEqual([view]);
    expect(server.asked.map(({ url }) => url)).toEqual(['/access/v1/search/subject', '/access/v1/search/action']);
  });

  it('reads the discovery document', async () => {
    const document = { policy_decision_point: 'https://pdp', access_evaluation_endpoint: 'https://pdp/e' };
    server.answer(json(document, 200));
    expect(await client.access.decisionPoint()).toEqual(document);
    expect(server.asked[0]?.url).toBe('/.well-known/authzen-configuration');
  });

  it('rejects when nobody decided', async () => {
    server.answer(problem(403, 'permission_denied', 'only an enforcement point'));
    const question = { subject: alice, action: view, resource: record };
    await expect(client.access.evaluate(question)).rejects.toMatchObject({ code: 'permission_denied' });
  });
});
