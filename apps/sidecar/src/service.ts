import { bootModule, type ServiceDefinition } from '@cogmesh/service';
import { AppModule } from './app.module.js';
import { sidecarConfig } from './config.js';
import { wireSidecar } from './wiring.js';

/** The enforcement point in front of one service. Needs no bus: policies arrive by heartbeat, and at once when the service behind it hears of them. */
export const sidecarService: ServiceDefinition<(typeof sidecarConfig)['settings']> = {
  name: 'sidecar',
  config: sidecarConfig,
  needs: { bus: false, database: false },
  start: async (host, config) => {
    const parts = await wireSidecar(host, config);
    const app = await bootModule(AppModule.of(parts), host.logger);
    return { addresses: { grpc: parts.address }, readiness: parts.readiness, stop: () => app.close() };
  },
};
