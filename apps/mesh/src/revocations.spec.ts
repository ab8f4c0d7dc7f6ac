/** Revoking over real HTTP: the gateway and the policy service as they are, nothing in between. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthzenWorld, type Who } from '../test/authzen-world.js';

let world: AuthzenWorld;
beforeAll(async () => {
  world = await AuthzenWorld.start({ COGMESH_POLICY_POLL_MS: '1000' });
});
afterAll(() => world?.stop());

async function call(who: Who, path: string, body?: unknown, token?: string): Promise<Response> {
  const authorization = `Bearer ${token ?? (await world.token(who))}`;
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  return fetch(`${world.url}${path}`, { headers: { authorization, 'content-type': 'application/json' }, ...sent });
}

const payloadOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { iss: string; jti?: string };

it('a revoked subject is refused, everybody else is not, and is let in again when it is lifted', async () => {
  const carol = await world.token('carol');
  const thing = { kind: 'subject', issuer: payloadOf(carol).iss, value: 'carol' };
  const revoked = await call('auditor', '/v1/revocations', { ...thing, reason: 'on leave' });
  expect(revoked.status).toBe(200);
  expect(revoked.headers.get('cogmesh-consistency-token')).toMatch(/^c1\.\.\d+$/);
  expect(await revoked.json()).toMatchObject({ ...thing, reason: 'on leave', until: null });
  await expect.poll(async () => (await call('carol', '/v1/whoami', undefined, carol)).status).toBe(401);
  expect(await (await call('carol', '/v1/whoami')).json()).toMatchObject({ code: 'revoked' });
  expect((await call('stranger', '/v1/whoami')).status).toBe(200);
  expect((await call('auditor', '/v1/revocations/lift', thing)).status).toBe(204);
  await expect.poll(async () => (await call('carol', '/v1/whoami', undefined, carol)).status).toBe(200);
  expect((await call('auditor', '/v1/revocations/lift', thing)).status).toBe(404);
});

it.each([
  ['without the right', 'carol', { kind: 'grant', value: 'g' }, 403],
  ['of an unknown kind', 'auditor', { kind: 'person', value: 'g' }, 400],
  ['of an issuer that is not registered', 'auditor', { kind: 'issuer', issuer: 'https://nobody' }, 404],
  ['with a time that is none', 'auditor', { kind: 'grant', value: 'g', until: 'soon' }, 400],
] as const)('revoking %s is refused', async (_what, who, body, status) => {
  expect((await call(who, '/v1/revocations', body)).status).toBe(status);
});

it('what a revocation list shows needs the right to read it', async () => {
  expect((await call('carol', '/v1/revocations')).status).toBe(403);
});
