export { schedulerConfig, type SchedulerConfig } from './config.js';
export { schedulerService } from './service.js';
