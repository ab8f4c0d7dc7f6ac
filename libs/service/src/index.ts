export type { Peers, Readiness, RunningService, ServiceDefinition, ServiceHost, ServiceName } from './definition.js';
export { serveHealth, type HealthServer } from './health-server.js';
export { hostService, type HostedService, type HostOptions } from './host-service.js';
export { bootHttp, bootModule } from './nest.js';
export { platformConfig, type PlatformConfig } from './platform-config.js';
export { runService } from './run-service.js';
export { version } from './version.js';
