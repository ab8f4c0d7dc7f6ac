import { bootModule, type ServiceDefinition } from '@cogmesh/service';
import { AppModule } from './app.module.js';
import { policyConfig } from './config.js';
import { wirePolicy } from './wiring.js';

/** The policy decision point. Needs `policy.jwk` and the trust directory in its keys folder. */
export const policyService: ServiceDefinition<(typeof policyConfig)['settings']> = {
  name: 'policy',
  config: policyConfig,
  needs: { bus: true, database: true },
  start: async (host, config) => {
    const parts = await wirePolicy(host, config);
    const app = await bootModule(AppModule.of(parts), host.logger);
    return { addresses: { grpc: parts.address }, readiness: parts.readiness, stop: () => app.close() };
  },
};
