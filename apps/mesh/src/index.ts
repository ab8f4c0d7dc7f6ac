export { startAllInOne, type AllInOneOptions } from './all-in-one.js';
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
