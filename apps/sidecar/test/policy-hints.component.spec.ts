/** A hint on the bus that policies changed reaches the point that enforces them, in process or behind the service, long before it asks. */
import { createMemoryHub, messageTo } from '@cogmesh/bus';
import { eventsV1, policyV1, schedulerV1 } from '@cogmesh/contracts';
import { openEnforcement } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { serveRpc } from '@cogmesh/rpc';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

/** Nothing is asked for by the clock while a test runs. */
const settings = { COGMESH_POLICY_POLL_MS: '60000', COGMESH_POLICY_MAX_STALENESS_MS: '60000' };
const hub = createMemoryHub();
const logger = createLogger({ level: 'silent' });

let world: SidecarWorld;
beforeEach(async () => {
  world = await SidecarWorld.open(settings);
});
afterEach(() => world.close());

const publish = () =>
  hub
    .connect('policy')
    .publish([
      messageTo(
        { exchange: { name: 'policy.events', type: 'topic' }, routingKey: 'bundle.published.v1' },
        eventsV1.BundlePublishedSchema,
        { organisation: 'acme', epoch: BigInt(world.bundles.epoch) },
      ),
    ]);

function denyAll(): void {
  world.bundles.policies = { policies: [] };
  world.bundles.epoch += 1;
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (thrown: unknown) => (thrown instanceof CogmeshError ? thrown.code : String(thrown)),
  );

const enforcementOf = (environment: Record<string, string>, policy = '') =>
  openEnforcement({
    service: 'scheduler',
    keysDir: `${world.dir}/keys`,
    dataDir: world.dir,
    peers: { policy },
    logger,
    bus: hub.connect('scheduler'),
    environment: { ...settings, ...environment },
  });

it('to the sidecar of the service that heard it', async () => {
  const enforcement = await enforcementOf({
    COGMESH_ENFORCEMENT: 'sidecar',
    COGMESH_SIDECAR_ADDRESS: world.address,
    COGMESH_SIDECAR_SECRET_FILE: world.secretFile,
  });
  try {
    const client = world.client(schedulerV1.SchedulerService);
    const submit = async () => codeOf(client.submitRun({ documentJson: 'x' }, { metadata: await world.permit() }));
    expect(await submit()).toBe('answered');
    denyAll();
    expect(await submit()).toBe('answered');
    await publish();
    await expect.poll(submit).toBe('permission_denied');
  } finally {
    await enforcement.close();
  }
});

it('and only that service may ask its sidecar to look', async () => {
  const sidecar = world.client(policyV1.EnforcementService);
  expect(await codeOf(sidecar.refresh({}, { metadata: await world.serviceToken('scheduler') }))).toBe('answered');
  expect(await codeOf(sidecar.refresh({}, { metadata: await world.serviceToken('worker') }))).toBe('permission_denied');
  expect(await codeOf(sidecar.refresh({}, { metadata: await world.permit() }))).toBe('invalid_token');
});

it('to a replica in the process of the service', async () => {
  const address = `unix:${world.dir}/policy-in-process.sock`;
  const policy = await serveRpc({ address, services: [world.bundles.binding()] });
  const enforcement = await enforcementOf({ COGMESH_ENFORCEMENT: 'in-process' }, address);
  try {
    const { authorization } = await world.permit({ method: '/cogmesh.scheduler.v1.SchedulerService/GetRun' });
    const method = '/cogmesh.scheduler.v1.SchedulerService/GetRun';
    const check = () =>
      codeOf(
        Promise.resolve(enforcement.authenticate({ method, metadata: new Map([['authorization', authorization]]) })),
      );
    expect(await check()).toBe('answered');
    denyAll();
    await publish();
    await expect.poll(check).toBe('permission_denied');
  } finally {
    await enforcement.close();
    await policy.stop(0);
  }
});
