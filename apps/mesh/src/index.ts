export { startAllInOne, type AllInOneOptions } from './all-in-one.js';
export { startCluster, type Cluster, type ClusterOptions } from './cluster/start-cluster.js';
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
