/** The sidecar in front of the policy service has to fetch its own policies through itself. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policyV1 } from '@cogmesh/contracts';
import { createBehindSidecar, createSidecarSecretFile, readSidecarSecret } from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, serveRpc } from '@cogmesh/rpc';
import { hostService } from '@cogmesh/service';
import { sidecarService } from '@cogmesh/sidecar';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, expect, it } from 'vitest';
import { BundleService } from './bundle-service.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('becomes ready, and serves bundles to the others by their identity', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-policy-sidecar-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  await initialiseKeys(join(dir, 'keys'), { hostOrganisation: 'acme' });
  const policy = await loadServiceIdentity(join(dir, 'keys'), 'policy');
  const worker = await loadServiceIdentity(join(dir, 'keys'), 'worker');
  const file = join(dir, 'policy.secret');
  createSidecarSecretFile(file);
  const secret = readSidecarSecret({ file, descriptor: -1 });
  const service = await serveRpc({
    address: `unix:${join(dir, 'policy.sock')}`,
    services: [new BundleService(policy).binding()],
    authenticate: createBehindSidecar({ service: 'policy', secret, verifier: policy.verifier }),
  });
  closers.push(() => service.stop(0));
  const listen = `unix:${join(dir, 'sidecar.sock')}`;
  const sidecar = await hostService(sidecarService, {
    logger: createLogger({ level: 'silent' }),
    environment: {
      COGMESH_DATA_DIR: dir,
      COGMESH_LISTEN: listen,
      COGMESH_POLICY_ADDRESS: listen,
      COGMESH_SIDECAR_SERVICE: 'policy',
      COGMESH_SIDECAR_UPSTREAM: service.address,
      COGMESH_SIDECAR_SECRET_FILE: file,
      COGMESH_SIDECAR_DRAIN_TIMEOUT_MS: '200',
    },
  });
  closers.push(() => sidecar.stop());
  expect(await sidecar.running.readiness()).toMatchObject({
    ready: true,
    checks: { policies: { ready: true }, policy: { ready: true } },
  });

  const channel = openChannel({
    target: listen,
    authorize: async () => `Bearer ${await worker.serviceToken('policy')}`,
  });
  closers.push(() => channel.close());
  const client = createClient(policyV1.PolicyService, channel);
  const answer = await client.getBundle({ nonce: 'n'.repeat(32) });
  expect((await worker.verifyHeartbeat(answer.heartbeatJws, 'n'.repeat(32))).epochs).toEqual({ acme: 1 });
  await expect(client.decide({})).rejects.toMatchObject({ code: 'permission_denied' });
});
