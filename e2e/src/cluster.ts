import type { Environment } from '@cogmesh/config';
import { type Cluster, type ClusterOptions, startCluster } from '@cogmesh/mesh';
import { cleanEnvironment } from './processes.js';
import type { World } from './world.js';

/** The cluster of one machine, supervised from the test's process: every service and sidecar a process, real broker and database. */
export function startTestCluster(
  world: World,
  environment: Environment = {},
  schedulers = 1,
  settingsOf: NonNullable<ClusterOptions['settingsOf']> = () => ({}),
): Promise<Cluster> {
  return startCluster({
    directory: world.directory,
    environment: { ...cleanEnvironment(), COGMESH_LOG_LEVEL: 'info', ...environment },
    httpListen: '127.0.0.1:0',
    progress: () => {},
    schedulers,
    settingsOf,
  });
}
