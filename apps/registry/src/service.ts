import { bootModule, type ServiceDefinition } from '@cogmesh/service';
import { AppModule } from './app.module.js';
import { registryConfig } from './config.js';
import { buildRegistry } from './wiring.js';

/** Who the agents are, what they can do, whether they live; the stream to each of them. */
export const registryService: ServiceDefinition<typeof registryConfig.settings> = {
  name: 'registry',
  config: registryConfig,
  needs: { bus: true, database: true },
  start: async (host, config) => {
    const registry = await buildRegistry(host, config);
    const app = await bootModule(AppModule.of(registry), host.logger);
    return {
      addresses: { grpc: registry.address },
      readiness: () => registry.readiness(),
      stop: () => app.close(),
    };
  },
};
