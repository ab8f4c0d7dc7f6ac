export {
  defineConfig,
  setting,
  type ConfigDefinition,
  type ConfigOf,
  type Setting,
  type Settings,
} from './definition.js';
export { loadConfig, type Environment } from './load-config.js';
export { processEnvironment } from './process-environment.js';
export { flag, integer, list, text } from './schemas.js';
