export type { AllInOneOptions } from './all-in-one.js';
export { clusterConfig } from './cluster/config.js';
export type { Cluster, ClusterOptions } from './cluster/start-cluster.js';
export {
  addPartner,
  dataDirectory,
  developmentRoles,
  initialiseDataDirectory,
  isInitialised,
  type DataDirectory,
  type InitOptions,
  type PartnerOptions,
} from './data-directory.js';
export type { Mesh } from './mesh.js';
export { serveService, serviceNames } from './serve.js';
export { startAllInOne, startCluster } from './start.js';
