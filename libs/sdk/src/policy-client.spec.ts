import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContractServer, json } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';
import type { PolicyClient } from './policy-client.js';

let server: ContractServer;
let policies: PolicyClient;

beforeEach(async () => {
  server = await ContractServer.start();
  ({ policies } = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 }));
});
afterEach(() => server.stop());

describe('each call is one request', () => {
  it.each<[string, (made: PolicyClient) => Promise<unknown>, string, unknown, string | undefined]>([
    ['versions', (made) => made.versions({ limit: 3 }), 'GET /v1/policies/versions?limit=3', undefined, undefined],
    ['one version', (made) => made.version(7), 'GET /v1/policies/versions/7', undefined, undefined],
    ['rollback', (made) => made.rollback(2, { expectedEpoch: 5 }), 'POST /v1/policies/rollback', { toEpoch: 2 }, '"5"'],
    [
      'put the candidate',
      (made) => made.putCandidate([], { note: 'a b' }),
      'PUT /v1/policies/candidate?note=a+b',
      [],
      undefined,
    ],
    ['the candidate', (made) => made.candidate(), 'GET /v1/policies/candidate', undefined, undefined],
    ['drop it', (made) => made.dropCandidate(), 'DELETE /v1/policies/candidate', undefined, undefined],
    ['promote it', (made) => made.promote('c1'), 'POST /v1/policies/candidate/promote', { candidate: 'c1' }, undefined],
    [
      'simulate',
      (made) => made.simulate({ policySet: [], from: new Date(0), limit: 9 }),
      'POST /v1/policies/simulate',
      { policySet: [], from: '1970-01-01T00:00:00.000Z', limit: 9 },
      undefined,
    ],
  ])('%s', async (_name, call, line, body, ifMatch) => {
    server.answer(json({ versions: [] }));
    await call(policies);
    const [request] = server.asked;
    expect(`${request?.method} ${request?.url}`).toBe(line);
    const text = request?.body.toString() ?? '';
    expect(text === '' ? undefined : JSON.parse(text)).toEqual(body);
    expect(request?.headers['if-match']).toBe(ifMatch);
  });
});
