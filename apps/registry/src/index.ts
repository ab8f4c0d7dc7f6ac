export { registryConfig, type RegistryConfig } from './config.js';
export { registryService } from './service.js';
