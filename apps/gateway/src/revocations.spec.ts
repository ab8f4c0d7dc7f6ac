/** What is revoked ends here: calls, and the streams that were open before. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RevocationChange } from '@cogmesh/identity';
import { decodeJwt } from 'jose';
import { GatewayWorld, until } from '../test/gateway-world.js';

let world: GatewayWorld;
beforeAll(async () => {
  world = await GatewayWorld.start({ environment: { COGMESH_POLICY_MAX_STALENESS_MS: '1000' } });
});
afterAll(() => world.stop());

function revoke(thing: Partial<RevocationChange>): void {
  const { revoked } = world.policy;
  const issuer = world.policy.issuers.find(({ organisation }) => organisation === 'globex')?.issuer ?? '';
  const whole = { kind: 'subject', organisation: 'globex', issuer, value: '', untilMs: 0, lifted: false } as const;
  revoked.push({ ...whole, ...thing, epoch: revoked.length + 1 });
}

const status = async (headers: Record<string, string>): Promise<number> =>
  (await fetch(`${world.url}/v1/whoami`, { headers })).status;

describe('a call', () => {
  it.each<[string, (token: Record<string, unknown>, kid: string) => Partial<RevocationChange>]>([
    ['whose token is revoked', (token) => ({ kind: 'token', value: String(token['jti']) })],
    ['whose subject is revoked', () => ({ kind: 'subject', value: 'member' })],
    ['whose issuer is revoked', () => ({ kind: 'issuer', value: '' })],
    ['whose key is revoked', (_, kid) => ({ kind: 'key', value: kid })],
  ])('%s is refused with 401 `revoked`, and let in again when that is lifted', async (_what, thingOf) => {
    const headers = await world.headers('member');
    expect(await status(headers)).toBe(200);
    const token = (headers['authorization'] ?? '').slice('Bearer '.length);
    const { kid = '' } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid?: string };
    const thing = thingOf(decodeJwt(token), kid);
    revoke(thing);
    await until(async () => (await status(headers)) === 401, 'the revocation is in force');
    const refused = await fetch(`${world.url}/v1/whoami`, { headers });
    expect(await refused.json()).toMatchObject({ code: 'revoked', status: 401 });
    expect(refused.headers.get('www-authenticate')).toContain('invalid_token');
    expect(await status(await world.headers('acme'))).toBe(200);
    revoke({ ...thing, lifted: true });
    await until(async () => (await status(headers)) === 200, 'the revocation is lifted');
  });
});

describe('an open event stream', () => {
  it('ends when its subject is revoked', async () => {
    const headers = await world.headers('member');
    const submitted = await fetch(`${world.url}/v1/runs`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] }),
    });
    const { id } = (await submitted.json()) as { id: string };
    const stream = await fetch(`${world.url}/v1/runs/${id}/events`, { headers });
    expect(stream.status).toBe(200);
    const text = stream.text();
    revoke({ value: 'member' });
    expect(await text).toContain(': revoked');
    revoke({ value: 'member', lifted: true });
    await until(async () => (await status(headers)) === 200, 'the revocation is lifted');
  });
});

it('without the policy service everything is refused as stale, with a time to come back', async () => {
  const headers = await world.headers('member');
  await world.stopServing('policy');
  await until(async () => (await status(headers)) === 503, 'what is revoked is not known any more');
  const refused = await fetch(`${world.url}/v1/whoami`, { headers });
  expect(await refused.json()).toMatchObject({ code: 'stale_policy' });
  expect(refused.headers.get('retry-after')).toBe('1');
  await world.serve('policy');
  await until(async () => (await status(headers)) === 200, 'it is known again');
});
