import type { Readiness, ServiceDefinition, ServiceHost } from '@cogmesh/service';
import { bootModule } from '@cogmesh/service';
import { SchedulerModule } from './app.module.js';
import { schedulerConfig } from './config.js';
import { buildScheduler, type Scheduler } from './wiring.js';

/** Owns runs and tasks. Used by its own process and by all in one. */
export const schedulerService: ServiceDefinition<(typeof schedulerConfig)['settings']> = {
  name: 'scheduler',
  config: schedulerConfig,
  needs: { bus: true, database: true },
  start: async (host, config) => {
    const scheduler = await buildScheduler(host, config);
    const app = await bootModule(SchedulerModule.of(scheduler), host.logger);
    return {
      addresses: { grpc: scheduler.address },
      readiness: () => readinessOf(host, scheduler),
      stop: () => app.close(),
    };
  },
};

async function readinessOf(
  { bus, database }: ServiceHost,
  { enforcement, dispatcher, directory, pool, replicas, counters }: Scheduler,
): Promise<Readiness> {
  const checks = {
    database: await answers(() => database.ping()),
    bus: await answers(() => bus.ping()),
    enforcement: enforcement.ready(),
    memory: {
      ready: dispatcher.isSettled,
      detail: `${dispatcher.isSettled ? 'agrees with the database' : 'is being rebuilt'}${mendedIn(counters)}`,
    },
    shards: { ready: replicas.keeper.isSettled, detail: replicas.keeper.summary },
    registry: { ready: directory.isFresh, detail: directory.isFresh ? 'agents are known' : 'has not answered' },
    ...(pool ? { pool: { ready: true, detail: pool.summary } } : {}),
  };
  return { ready: Object.values(checks).every((check) => check.ready), checks };
}

/** Where a test looks for what must not be. */
const mendedIn = ({ mendedSummary }: Scheduler['counters']): string =>
  mendedSummary === '' ? '' : `; mended: ${mendedSummary}`;

async function answers(ping: () => Promise<void>): Promise<{ ready: boolean; detail?: string }> {
  try {
    await ping();
    return { ready: true };
  } catch (error) {
    return { ready: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
