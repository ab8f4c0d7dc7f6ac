/** One service in this process, by name. Each is loaded on its own, so that a process carries only what it runs. */
import type { Environment, Settings } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceDefinition } from '@cogmesh/service';

const starters = {
  gateway: async (environment: Environment) => run((await import('@cogmesh/gateway')).gatewayService, environment),
  policy: async (environment: Environment) => run((await import('@cogmesh/policy')).policyService, environment),
  scheduler: async (environment: Environment) =>
    run((await import('@cogmesh/scheduler')).schedulerService, environment),
  registry: async (environment: Environment) => run((await import('@cogmesh/registry')).registryService, environment),
  worker: async (environment: Environment) => run((await import('@cogmesh/worker')).workerService, environment),
  sidecar: async (environment: Environment) => run((await import('@cogmesh/sidecar')).sidecarService, environment),
};

async function run<S extends Settings>(definition: ServiceDefinition<S>, environment: Environment): Promise<void> {
  const { runService } = await import('@cogmesh/service');
  await runService(definition, environment);
}

export type ServedName = keyof typeof starters;

export const serviceNames = Object.keys(starters) as ServedName[];

/** Runs until a signal; `invalid_argument` for a name that is no service. */
export async function serveService(name: string, environment: Environment): Promise<void> {
  if (!Object.hasOwn(starters, name)) {
    throw new CogmeshError('invalid_argument', `no service "${name}"; there are ${serviceNames.join(', ')}`);
  }
  await starters[name as ServedName](environment);
}
