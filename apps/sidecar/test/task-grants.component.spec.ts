/** The check of task grants as a service behind a real sidecar has it: over one stream, for this service and nobody else. */
import { policyV1 } from '@cogmesh/contracts';
import { openEnforcement, type Enforcement } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const attempt = { attemptId: 'a'.repeat(32), capability: 'script', inputSha256: 'b'.repeat(64) };

let world: SidecarWorld;
let enforcement: Enforcement;
let grantJws: string;

beforeEach(async () => {
  // Longer than a test may take: a stop that waited for the stream of grant checks would be seen.
  world = await SidecarWorld.open({ COGMESH_SIDECAR_DRAIN_TIMEOUT_MS: '60000' });
  enforcement = await openEnforcement({
    service: 'scheduler',
    keysDir: `${world.dir}/keys`,
    dataDir: world.dir,
    peers: { policy: '' },
    logger: createLogger({ level: 'silent' }),
    environment: {
      COGMESH_ENFORCEMENT: 'sidecar',
      COGMESH_SIDECAR_ADDRESS: world.address,
      COGMESH_SIDECAR_SECRET_FILE: world.secretFile,
    },
  });
  grantJws = await world.identities.scheduler.mintTaskGrant({
    agent: 'agent_1',
    attempts: [{ ...attempt, blobs: [], organisation: 'acme' }],
    expiresAtMs: Date.now() + 60_000,
  });
});
afterEach(async () => {
  await enforcement.close();
  await world.close();
});

const check = (agentId = 'agent_1') => enforcement.checkTaskGrant({ grantJws, agentId, attempts: [attempt] });

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (thrown: unknown) => (thrown instanceof CogmeshError ? thrown.code : String(thrown)),
  );

async function firstOf(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers) return;
}

it('many at once, each with its own answer', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, at) => check(at % 2 === 0 ? 'agent_1' : 'agent_2')),
  );
  const codes = answers.map(({ code }) => code);
  expect(codes).toEqual(Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 'allowed' : 'invalid_grant')));
});

it('of nobody but the service behind it', async () => {
  const others = world.client(policyV1.EnforcementService);
  const question = { grantJws, agentId: 'agent_1', attempts: [attempt] };
  async function* questions() {
    yield { questions: [{ id: 1n, check: question }] };
  }
  const ask = (metadata: Record<string, string>) => codeOf(firstOf(others.checkTaskGrants(questions(), { metadata })));
  expect(await ask(await world.serviceToken('worker'))).toBe('permission_denied');
  expect(await ask(await world.permit())).toBe('invalid_token');
  expect(await ask({})).toBe('unauthenticated');
  expect(await ask(await world.serviceToken('scheduler'))).toBe('answered');
});

it('stale_policy while the sidecar has not heard from the policy service, and allowed again after', async () => {
  expect((await check()).code).toBe('allowed');
  world.bundles.answers = false;
  await expect.poll(async () => (await check()).code, { timeout: 5_000 }).toBe('stale_policy');
  world.bundles.answers = true;
  await expect.poll(async () => (await check()).code, { timeout: 5_000 }).toBe('allowed');
});

it('an open stream does not hold up the sidecar that stops, and is unavailable then', async () => {
  expect((await check()).code).toBe('allowed');
  await world.stopSidecar();
  expect(await codeOf(check())).toBe('unavailable');
});
