export { gatewayConfig, type GatewayConfig } from './config.js';
export { gatewayService } from './service.js';
