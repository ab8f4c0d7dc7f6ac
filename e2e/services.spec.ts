/**
 * Every built service as a process of its own, each with its own main: it starts, says that it is ready, and SIGTERM makes it
 * leave in time with exit status 0 and no process behind. A wrong setting makes it refuse with a sentence that names it.
 */
import { join } from 'node:path';
import { freePorts, type RabbitServer, startRabbitServer } from '@cogmesh/backends';
import type { Environment } from '@cogmesh/config';
import { createSidecarSecretFile } from '@cogmesh/enforcement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './src/poll.js';
import {
  cleanEnvironment,
  descendantsOf,
  isAlive,
  killHard,
  mainOf,
  type RunningCommand,
  runCommand,
  startCommand,
} from './src/processes.js';
import { createWorld, type World } from './src/world.js';

const services = ['policy', 'gateway', 'scheduler', 'registry', 'worker', 'sidecar'] as const;
type Service = (typeof services)[number];

const STOP_WITHIN_MS = 15_000;

let world: World;
let broker: RabbitServer;
const running = new Map<Service, RunningCommand>();

beforeAll(async () => {
  world = await createWorld();
  const path = cleanEnvironment()['PATH'] ?? '';
  broker = await startRabbitServer({ dir: join(world.directory.path, 'rabbitmq'), path });
  createSidecarSecretFile(join(world.directory.path, 'scheduler.secret'));
});

afterAll(async () => {
  for (const { pid } of running.values()) killHard(pid, ...descendantsOf(pid));
  await broker?.stop();
  await world?.remove();
});

const socketOf = (service: Service) => `unix:${join(world.directory.path, `${service}.sock`)}`;

function environmentOf(service: Service, healthPort: number): Environment {
  return {
    ...cleanEnvironment(),
    COGMESH_DATA_DIR: world.directory.path,
    COGMESH_POLICY_BOOTSTRAP_DIR: world.directory.bootstrapDir,
    COGMESH_DEV: '1',
    COGMESH_AMQP_URL: broker.urlFor(service),
    COGMESH_LISTEN: socketOf(service),
    COGMESH_HEALTH_LISTEN: `127.0.0.1:${healthPort}`,
    COGMESH_HTTP_LISTEN: '127.0.0.1:0',
    COGMESH_SIDECAR_SERVICE: 'scheduler',
    COGMESH_SIDECAR_UPSTREAM: socketOf('scheduler'),
    ...(service === 'sidecar' ? { COGMESH_SIDECAR_SECRET_FILE: join(world.directory.path, 'scheduler.secret') } : {}),
    ...Object.fromEntries(
      (['gateway', 'policy', 'scheduler', 'registry'] as const).map((peer) => [
        `COGMESH_${peer.toUpperCase()}_ADDRESS`,
        socketOf(peer),
      ]),
    ),
  };
}

describe('every built service', () => {
  it('starts and becomes ready', async () => {
    const free = await freePorts(services.length);
    const ports = new Map(services.map((service, i) => [service, free[i] ?? 0]));
    for (const service of services) {
      const environment = environmentOf(service, ports.get(service) ?? 0);
      running.set(service, startCommand(process.execPath, ['--no-warnings', mainOf(service)], { environment }));
    }
    for (const service of services) {
      const { child, stdout, stderr } = running.get(service) as RunningCommand;
      await until(
        `${service} is ready`,
        async () => {
          if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${stdout()}${stderr()}`);
          return (await fetch(`http://127.0.0.1:${ports.get(service)}/readyz`)).ok;
        },
        { timeoutMs: 60_000 },
      );
    }
  });

  it.each([...services].reverse())('%s leaves upon SIGTERM, in time and whole', async (service) => {
    const { child, pid, ended, stdout, stderr } = running.get(service) as RunningCommand;
    const family = descendantsOf(pid);
    const startedAt = Date.now();
    child.kill('SIGTERM');
    const killer = setTimeout(() => killHard(pid, ...family), 2 * STOP_WITHIN_MS);
    const { code } = await ended;
    clearTimeout(killer);
    expect(code, stdout() + stderr()).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(STOP_WITHIN_MS);
    await until('its children are gone', () => !family.some(isAlive), { timeoutMs: 2_000 });
  });
});

describe('a wrong setting', () => {
  it.each(services)('keeps %s from starting and is named', async (service) => {
    const environment = { ...environmentOf(service, 0), COGMESH_STOP_TIMEOUT_MS: 'soon' };
    const { code, stdout, stderr } = await runCommand(process.execPath, [mainOf(service)], { environment });
    expect(code).toBe(78);
    expect(stdout + stderr).toMatch(/COGMESH_STOP_TIMEOUT_MS: .*number/);
  });
});
