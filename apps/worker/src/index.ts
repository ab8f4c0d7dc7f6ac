export { workerConfig } from './config.js';
export { workerService } from './service.js';
