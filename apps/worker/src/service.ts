import { bootModule, type ServiceDefinition } from '@cogmesh/service';
import { AppModule } from './app.module.js';
import { workerConfig } from './config.js';
import { wireWorker } from './wiring.js';

/** An agent that runs ONNX models and scripts. Needs `worker.jwk` and the trust directory in its keys folder. */
export const workerService: ServiceDefinition<(typeof workerConfig)['settings']> = {
  name: 'worker',
  config: workerConfig,
  needs: { bus: true, database: false },
  start: async (host, config) => {
    const parts = await wireWorker(host, config);
    const app = await bootModule(AppModule.of(parts), host.logger);
    return { addresses: { grpc: parts.address }, readiness: parts.readiness, stop: () => app.close() };
  },
};
