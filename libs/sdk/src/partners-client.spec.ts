import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContractServer, json } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';
import type { PartnersClient } from './partners-client.js';

let server: ContractServer;
let partners: PartnersClient;

beforeEach(async () => {
  server = await ContractServer.start();
  ({ partners } = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 }));
});
afterEach(() => server.stop());

const issuer = { issuer: 'https://a', jwksUri: 'https://a/jwks' };
const terms = {
  grantee: 'globex',
  actions: ['infer'],
  resources: ['/models/**'],
  purpose: 'p',
  expiresAt: new Date(0),
};
const sent = { ...terms, expiresAt: '1970-01-01T00:00:00.000Z' };

describe('each call is one request', () => {
  it.each<[string, (made: PartnersClient) => Promise<unknown>, string, unknown]>([
    ['issuers', (made) => made.issuers(), 'GET /v1/issuers', undefined],
    ['put an issuer', (made) => made.putIssuer(issuer), 'PUT /v1/issuers', issuer],
    ['suspend', (made) => made.suspendIssuer('https://a'), 'POST /v1/issuers/suspend', { issuer: 'https://a' }],
    ['resume', (made) => made.resumeIssuer('https://a'), 'POST /v1/issuers/resume', { issuer: 'https://a' }],
    ['delete', (made) => made.deleteIssuer('https://a'), 'POST /v1/issuers/delete', { issuer: 'https://a' }],
    ['grants', (made) => made.grants(), 'GET /v1/grants', undefined],
    ['create', (made) => made.createGrant(terms), 'POST /v1/grants', sent],
    ['create a signed one', (made) => made.createGrant({ jws: 'a.b.c' }), 'POST /v1/grants', { jws: 'a.b.c' }],
    ['delegate', (made) => made.delegateGrant('a/b', terms), 'POST /v1/grants/a%2Fb/delegate', sent],
    ['accept', (made) => made.acceptGrant('g'), 'POST /v1/grants/g/accept', undefined],
    ['revoke', (made) => made.revokeGrant('g', { reason: 'over' }), 'POST /v1/grants/g/revoke', { reason: 'over' }],
  ])('%s', async (_name, call, line, body) => {
    server.answer(json({ issuers: [], grants: [] }));
    await call(partners);
    const [request] = server.asked;
    expect(`${request?.method} ${request?.url}`).toBe(line);
    const text = request?.body.toString() ?? '';
    expect(text === '' ? undefined : JSON.parse(text)).toEqual(body);
  });
});
