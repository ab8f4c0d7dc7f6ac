import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContractServer, json } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';
import type { RevocationsClient } from './revocations-client.js';

let server: ContractServer;
let revocations: RevocationsClient;

beforeEach(async () => {
  server = await ContractServer.start();
  ({ revocations } = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 }));
});
afterEach(() => server.stop());

it.each<[string, (made: RevocationsClient) => Promise<unknown>, string, unknown]>([
  [
    'revoke',
    (made) => made.revoke({ kind: 'token', issuer: 'https://i', value: 't' }, { reason: 'lost', until: new Date(0) }),
    'POST /v1/revocations',
    { kind: 'token', issuer: 'https://i', value: 't', reason: 'lost', until: '1970-01-01T00:00:00.000Z' },
  ],
  [
    'lift',
    (made) => made.lift({ kind: 'grant', value: 'g' }),
    'POST /v1/revocations/lift',
    { kind: 'grant', value: 'g' },
  ],
  ['list', (made) => made.list({ limit: 2, pageToken: '7' }), 'GET /v1/revocations?limit=2&pageToken=7', undefined],
])('%s is one request', async (_name, call, line, body) => {
  server.answer(json({ revocations: [] }));
  await call(revocations);
  const [request] = server.asked;
  expect(`${request?.method} ${request?.url}`).toBe(line);
  const text = request?.body.toString() ?? '';
  expect(text === '' ? undefined : JSON.parse(text)).toEqual(body);
});
