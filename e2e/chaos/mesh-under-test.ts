/**
 * A cluster with three organisations, their agents, and all that may be struck. Limits that only protect against what this test
 * does on purpose are lifted; all others are as they are for everybody.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '@cogmesh/mesh';
import type { CogmeshClient } from '@cogmesh/sdk';
import { startTestCluster } from '../src/cluster.js';
import { until } from '../src/poll.js';
import { createWorld, type Organisation, organisations, type PolicySet, type World } from '../src/world.js';
import { startCrew, type Crew } from './crew.js';
import type { Victim } from './faults.js';
import type { Journal } from './journal.js';
import { narrowGroup } from './program.js';

export interface MeshUnderTest {
  readonly cluster: Cluster;
  readonly crew: Crew;
  readonly clients: ReadonlyMap<Organisation, CogmeshClient>;
  readonly victims: readonly Victim[];
  /** Every service and every agent answers. */
  whenReady(timeoutMs: number): Promise<unknown>;
  administrator(organisation: Organisation): CogmeshClient;
  stop(): Promise<void>;
}

const policiesOf = (organisation: Organisation): PolicySet => ({
  organisation,
  roles: { admin: { inherits: ['operator'] }, operator: {} },
  policies: [
    {
      id: 'admins',
      policy: "role == 'admin'",
      permissions: ['read', 'write'],
      resources: ['/limits', '/dead-letters'],
    },
    {
      id: 'operators',
      policy: "role == 'operator'",
      permissions: ['create', 'read', 'list', 'cancel', 'infer', 'serve', 'write', 'approve'],
      resources: ['/runs/**', '/blobs/**', '/agents/**', `/tools/${organisation}/**`],
    },
  ],
});

const environment = {
  // Tasks lose their agents again and again here, through no fault of theirs.
  COGMESH_SCHEDULER_POISON_AFTER: '1000',
  // What it would mend must show within the test.
  COGMESH_SCHEDULER_SWEEP_MS: '2000',
};

/** They share the work, and take over from each other. */
const SCHEDULERS = 2;
const NARROW = 2;
const READY_WITHIN_MS = 120_000;

export const createChaosWorld = (): Promise<World> => createWorld({ partners: ['globex', 'initech'], policiesOf });

export async function startMesh(world: World, journal: Journal): Promise<MeshUnderTest> {
  const cluster = await startTestCluster(world, environment, SCHEDULERS);
  const folder = join(world.directory.path, 'ledger');
  await mkdir(folder);
  const crew = await startCrew({ world, registry: cluster.registry, folder, journal });
  const client = (role: string) => (organisation: Organisation) => world.client(cluster.url, organisation, role);
  const administrator = client('admin');
  const clients = new Map(organisations.map((organisation) => [organisation, client('operator')(organisation)]));
  const mesh: MeshUnderTest = {
    cluster,
    crew,
    clients,
    administrator,
    victims: await victimsOf(cluster, crew),
    whenReady: (timeoutMs) =>
      until('everything is ready', () => isReady(cluster, crew, clients), { timeoutMs, everyMs: 200 }),
    stop: async () => {
      await crew.stop();
      await cluster.stop();
    },
  };
  try {
    await mesh.whenReady(READY_WITHIN_MS);
    for (const organisation of organisations) {
      await administrator(organisation).scheduling.setLimits('group', narrowGroup, { limits: { maxInFlight: NARROW } });
    }
    return mesh;
  } catch (thrown) {
    await mesh.stop();
    throw thrown;
  }
}

async function isReady(cluster: Cluster, crew: Crew, clients: MeshUnderTest['clients']): Promise<boolean> {
  if (!(await cluster.readiness()).ready || !(await fetch(`${cluster.url}/readyz`)).ok) return false;
  const agents = await Promise.all([...clients.values()].map((client) => client.agents()));
  const present = new Set(agents.flat().map(({ name }) => name));
  return crew.names.every((name) => present.has(name));
}

/** Whatever else there is time for. */
export const struckFirst = /^(scheduler(-\d+)?|worker|rabbitmq|postgres|agent-acme-1)$/;

/** Every process of the mesh by the name it has there, the sessions of the database, the engines of the workers, the agents. */
async function victimsOf(cluster: Cluster, crew: Crew): Promise<readonly Victim[]> {
  const services = Object.keys((await cluster.readiness()).checks);
  const whole = (name: string, stops = false): Victim => ({
    name,
    kills: 'one',
    stops,
    pid: () => cluster.pidOf(name),
    isFirst: struckFirst.test(name),
  });
  const below = (name: string, of: string): Victim => ({ name, kills: 'child', pid: () => cluster.pidOf(of) });
  return [
    ...services.map((name) => whole(name, true)),
    whole('rabbitmq'),
    whole('postgres'),
    below('a session of postgres', 'postgres'),
    below('an engine of the worker', 'worker'),
    { name: 'the worker and its engines', kills: 'family', pid: () => cluster.pidOf('worker') },
    ...crew.names.map((name, index): Victim => ({
      name,
      kills: 'one',
      pid: () => crew.pidOf(name),
      stops: true,
      isFirst: index === 0,
    })),
  ];
}
