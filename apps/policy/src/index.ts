export { policyConfig } from './config.js';
export { policyService } from './service.js';
