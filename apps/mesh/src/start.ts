/** What starts processes is loaded when it is used: a command that only asks a gateway must not pay for all services. */
import type { AllInOneOptions } from './all-in-one.js';
import type { Cluster, ClusterOptions } from './cluster/start-cluster.js';
import type { Mesh } from './mesh.js';

/** Every service in this process. Rejects when one does not start, having stopped the others. */
export async function startAllInOne(options: AllInOneOptions): Promise<Mesh> {
  const { startAllInOne: start } = await import('./all-in-one.js');
  return start(options);
}

/** Broker, database, every service and sidecar as a process of its own. Rejects when one does not become ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { startCluster: start } = await import('./cluster/start-cluster.js');
  return start(options);
}
