export { sidecarConfig, type SidecarConfig } from './config.js';
export { sidecarService } from './service.js';
