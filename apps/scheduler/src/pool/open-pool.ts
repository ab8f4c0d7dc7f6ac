/** The pool of agents as part of the composition root: which parts there are, from the configuration. */
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { registryV1 } from '@cogmesh/contracts';
import { sharedQueueOf } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { Candidate } from '@cogmesh/routing-core';
import type { Client } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import type { SeenAgent } from './agent-book.js';
import { AgentsElsewhere } from './agents-elsewhere.js';
import { policySettings, type PoolConfig } from './config.js';
import type { Sighting, WaitingTasks } from './duty.js';
import type { Fleet } from './fleet.js';
import { KubernetesFleet } from './kubernetes-fleet.js';
import { capabilityOf } from './needs.js';
import { PoolController } from './pool-controller.js';
import { readPoolFile, type KubernetesEntry, type PoolEntry, type ProcessEntry } from './pool-file.js';
import { ProcessFleet } from './process-fleet.js';
import { RegistryAgents } from './registry-agents.js';
import { SameHostPool } from './same-host-pool.js';
import { SqlPoolDuty } from './sql-pool-duty.js';

export interface PoolParts {
  readonly host: Pick<ServiceHost, 'database' | 'dataDir' | 'environment' | 'logger' | 'peers'>;
  readonly config: PoolConfig;
  readonly registry: Client<typeof registryV1.RegistryService>;
  readonly order: { waiting(): ReadonlyMap<string, WaitingTasks> };
  readonly directory: { candidates(need: string): readonly Candidate[] };
  /** Slots in use. */
  readonly credits: {
    usedBy(agentId: string, capability: string): number;
    outstandingIn(queue: string): number;
  };
}

/** Replicas that have not renewed for so many looks are gone; at least this long, milliseconds. */
const [dutyLooks, leastDutyMs] = [5, 5_000];

/** Undefined where there is nothing to do: a fixed pool with nobody to start elsewhere. */
export async function openPool(parts: PoolParts): Promise<PoolController | undefined> {
  const { host, config, registry, directory } = parts;
  const entries = await readPoolFile(config.poolFile);
  if (config.poolMode === 'fixed' && entries.length === 0) return undefined;
  const elsewhere = await Promise.all(
    entries.map(async (entry) => new AgentsElsewhere({ ...entry, fleet: await openFleet(entry, host) })),
  );
  const settings = policySettings(config);
  const agents = new RegistryAgents(registry);
  const holdsMs = Math.max(leastDutyMs, dutyLooks * config.poolLookMs);
  return new PoolController({
    mode: config.poolMode,
    settings,
    lookMs: config.poolLookMs,
    agents,
    sameHost: new SameHostPool(settings, agents),
    elsewhere,
    duty: new SqlPoolDuty(host.database, { replica: `scheduler_${ulid()}`, holdsMs }),
    sight: (seen) => sight(seen, parts),
    capabilityOf: capabilityOf({
      candidates: (need) => directory.candidates(need),
      startable: entries.flatMap(({ capabilities }) => capabilities),
    }),
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    logger: host.logger,
  });
}

function sight(agents: readonly SeenAgent[], { order, credits }: PoolParts): Sighting {
  const busy = new Map<string, number>();
  for (const { id, capabilities } of agents) {
    for (const { name } of capabilities) {
      const before = busy.get(name) ?? credits.outstandingIn(sharedQueueOf(name));
      busy.set(name, before + credits.usedBy(id, name));
    }
  }
  return { waiting: [...order.waiting()], busy: [...busy] };
}

function openFleet({ name, process, kubernetes }: PoolEntry, host: PoolParts['host']): Promise<Fleet> {
  if (process) return openProcesses(name, process, host);
  if (kubernetes) return Promise.resolve(new KubernetesFleet({ ...kubernetes, server: serverOf(kubernetes, host) }));
  throw new CogmeshError('invalid_argument', `pool ${name} says nowhere to start agents`);
}

function openProcesses(name: string, entry: ProcessEntry, { dataDir, environment, peers, logger }: PoolParts['host']) {
  // Not the scheduler's own environment, which holds secrets.
  const passed = ['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((key) => {
    const value = environment[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  return ProcessFleet.open({
    name,
    command: entry.command,
    directory: entry.directory,
    environment: { ...Object.fromEntries(passed), COGMESH_REGISTRY_ADDRESS: peers.registry, ...entry.environment },
    stopGraceMs: entry.stopGraceMs,
    pidsDir: join(dataDir, 'pool', name),
    logger,
  });
}

function serverOf({ server }: KubernetesEntry, { environment }: PoolParts['host']): string {
  if (server !== undefined) return server;
  const [host, port = '443'] = [environment['KUBERNETES_SERVICE_HOST'], environment['KUBERNETES_SERVICE_PORT']];
  if (host === undefined) {
    throw new CogmeshError('invalid_argument', 'COGMESH_POOL_FILE: outside Kubernetes a pool names its API `server`');
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
