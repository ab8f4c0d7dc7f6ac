/** One service in this process, by name. Each is loaded on its own, so that a process carries only what it runs. */
import type { Environment } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';
import { runService } from '@cogmesh/service';

const starters = {
  gateway: async (environment: Environment) =>
    runService((await import('@cogmesh/gateway')).gatewayService, environment),
  policy: async (environment: Environment) => runService((await import('@cogmesh/policy')).policyService, environment),
  scheduler: async (environment: Environment) =>
    runService((await import('@cogmesh/scheduler')).schedulerService, environment),
  registry: async (environment: Environment) =>
    runService((await import('@cogmesh/registry')).registryService, environment),
  worker: async (environment: Environment) => runService((await import('@cogmesh/worker')).workerService, environment),
  sidecar: async (environment: Environment) =>
    runService((await import('@cogmesh/sidecar')).sidecarService, environment),
};

export type ServedName = keyof typeof starters;

export const serviceNames = Object.keys(starters) as ServedName[];

/** Runs until a signal; `invalid_argument` for a name that is no service. */
export async function serveService(name: string, environment: Environment): Promise<void> {
  if (!(name in starters)) {
    throw new CogmeshError('invalid_argument', `no service "${name}"; there are ${serviceNames.join(', ')}`);
  }
  await starters[name as ServedName](environment);
}
