/** This scheduler as one replica: its name, and what it does when it may not go on. Part of the composition root. */
import { hostname } from 'node:os';
import { ProgressWords } from '@cogmesh/scheduling-core';
import type { ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import type { SchedulerConfig } from '../config.js';
import type { AgentSpeeds } from '../engine/agent-speeds.js';
import { Replicas, type ReplicaOptions } from './replicas.js';

export interface ReplicaParts extends Pick<
  ReplicaOptions,
  'scheduling' | 'directory' | 'views' | 'limitStore' | 'notifier'
> {
  readonly host: Pick<ServiceHost, 'bus' | 'database' | 'logger' | 'listen' | 'fail'>;
  readonly config: Pick<SchedulerConfig, 'replica' | 'shards' | 'leaseMs'>;
  readonly speeds: AgentSpeeds;
}

export function openReplicas({ host, config, speeds, ...parts }: ReplicaParts): Replicas {
  const { database, bus, logger } = host;
  const { shards, leaseMs } = config;
  return new Replicas({
    ...parts,
    name: { id: nameOf(host, config), incarnation: ulid() },
    shards,
    leaseMs,
    database,
    bus,
    logger,
    reports: {
      words: new ProgressWords(parts.scheduling.engine, () => performance.now()),
      onArrived: (results) => speeds.arrived(results),
    },
    onLost: (error) => host.fail?.(error),
  });
}

/** The same after a restart, so that nobody waits for a lease then; a file has one scheduler anyway. */
function nameOf(
  { database, listen }: Pick<ServiceHost, 'database' | 'listen'>,
  { replica }: { replica: string },
): string {
  if (replica !== '') return replica;
  return database.dialect === 'sqlite' ? 'scheduler' : `${hostname()} ${listen}`;
}
