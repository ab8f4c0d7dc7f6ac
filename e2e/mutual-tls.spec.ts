/** A cluster whose processes speak to each other with mutual TLS: work goes on as ever, and nobody without a certificate gets in. */
import { connect as connectTls } from 'node:tls';
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { once } from 'node:events';
import { schedulerV1 } from '@cogmesh/contracts';
import { ensureCertificates, keyFiles, loadServiceIdentity } from '@cogmesh/identity';
import type { Cluster } from '@cogmesh/mesh';
import { createClient, openChannel, TransportSecurity } from '@cogmesh/rpc';
import { createAgent } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { createWorld, type World } from './src/world.js';

let world: World;
let cluster: Cluster;

beforeAll(async () => {
  world = await createWorld();
  cluster = await startTestCluster(world, { COGMESH_CLUSTER_MTLS: '1' });
});

afterAll(async () => {
  await cluster?.stop();
  await world?.remove();
});

const keysDir = () => world.directory.keysDir;

function renewAs(service: string, certificate: string | undefined) {
  const security =
    certificate === undefined
      ? undefined
      : new TransportSecurity({
          files: {
            cert: keyFiles.certificate(keysDir(), certificate),
            key: keyFiles.certificateKey(keysDir(), certificate),
            ca: keyFiles.certificate(keysDir(), 'ca'),
          },
        });
  const channel = openChannel({
    target: cluster.addressOf('scheduler-sidecar'),
    authorize: async () => `Bearer ${await (await loadServiceIdentity(keysDir(), service)).serviceToken('scheduler')}`,
    secure: { security, service: 'scheduler' },
  });
  const client = createClient(schedulerV1.SchedulerService, channel);
  return client.renewLeases({}, { deadlineMs: 5_000 }).finally(() => {
    channel.close();
    security?.close();
  });
}

describe('a cluster with mutual TLS', () => {
  it('runs work through every process', async () => {
    const operator = world.client(cluster.url, 'acme', 'operator');
    const run = await operator.submitRun({
      tasks: [{ id: 'a', uses: 'script', script: 'return 6 * 7' }],
      output: '${{ tasks.a.output }}',
    });
    const done = await operator.waitForRun(run.id, { timeoutMs: 60_000 });
    expect(done).toMatchObject({ state: 'SUCCEEDED', output: 42 });
  });

  it('serves the tool of an agent that has a certificate', async () => {
    await ensureCertificates(keysDir(), { names: ['lookup'] });
    const agent = createAgent({
      registry: cluster.registry,
      name: 'lookup',
      stopOn: [],
      token: await world.token('acme', 'operator'),
      certificates: {
        cert: keyFiles.certificate(keysDir(), 'lookup'),
        key: keyFiles.certificateKey(keysDir(), 'lookup'),
        ca: keyFiles.certificate(keysDir(), 'ca'),
      },
    });
    agent.handle('acme/lookup', () => 'found');
    await agent.start();
    const operator = world.client(cluster.url, 'acme', 'operator');
    const run = await operator.submitRun({
      tasks: [{ id: 'a', uses: 'tool:acme/lookup' }],
      output: '${{ tasks.a.output }}',
    });
    const done = await operator.waitForRun(run.id, { timeoutMs: 60_000 });
    await agent.stop();
    expect(done).toMatchObject({ state: 'SUCCEEDED', output: 'found' });
  });

  it('answers a service with its own certificate', async () => {
    await expect(renewAs('registry', 'registry')).resolves.toBeDefined();
  });

  it('refuses a service’s token over the connection of another', async () => {
    await expect(renewAs('registry', 'worker')).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it.each(['scheduler-sidecar', 'scheduler', 'policy-sidecar', 'policy', 'registry-sidecar', 'gateway'])(
    'the %s closes a connection without a certificate, and one without TLS',
    async (name) => {
      const [host = '', port = ''] = cluster.addressOf(name).split(':');
      const ca = await readFile(keyFiles.certificate(keysDir(), 'ca'));
      const socket = connectTls({
        host,
        port: Number(port),
        ca,
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
      });
      const [failure] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      expect(failure.code).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET/);
      const plain = connectHttp2(`http://${host}:${port}`);
      plain.on('error', () => {});
      await once(plain, 'close');
    },
  );
});
