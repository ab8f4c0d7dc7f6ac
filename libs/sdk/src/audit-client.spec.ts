import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContractServer, json } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';

let server: ContractServer;
let client: CogmeshClient;

beforeEach(async () => {
  server = await ContractServer.start();
  client = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 });
});
afterEach(() => server.stop());

const asked = () => server.asked.map(({ method, url }) => `${method} ${url}`);
const hash = 'a'.repeat(64);

it('lists what is asked for', async () => {
  server.answer(json({ entries: [], nextCursor: null }));
  await client.audit.list({
    limit: 3,
    denied: true,
    cross: false,
    sub: 'ann',
    resource: '/models/',
    after: new Date(0),
  });
  const query = 'limit=3&sub=ann&resource=%2Fmodels%2F&after=1970-01-01T00%3A00%3A00.000Z&denied=true';
  expect(asked()).toEqual([`GET /v1/audit?${query}`]);
});

it('verifies part by part, and tells of all of it', async () => {
  const part = { hash, firstPosition: 1, problem: null };
  server.answer(json({ ...part, verified: 10, position: 10, next: 11 }));
  server.answer(json({ ...part, verified: 4, position: 14, next: null }));
  const verification = await client.audit.verify({ known: { position: 3, hash } });
  expect(verification).toEqual({ ...part, verified: 14, position: 14 });
  const known = `knownPosition=3&knownHash=${hash}`;
  expect(asked()).toEqual([`GET /v1/audit/verification?${known}`, `GET /v1/audit/verification?${known}&from=11`]);
});

it('stops at the first problem', async () => {
  const problem = { position: 7, problem: 'the entry or its hash was changed' };
  server.answer(json({ verified: 6, position: 6, hash, firstPosition: 1, next: null, problem }));
  expect(await client.audit.verify()).toMatchObject({ verified: 6, problem });
  expect(asked()).toHaveLength(1);
});
