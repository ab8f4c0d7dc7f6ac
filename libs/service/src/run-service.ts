/** One service as one process: telemetry, host, health endpoint, and a stop that drains on SIGTERM and SIGINT. */
import { type Environment, loadConfig, processEnvironment, type Settings } from '@cogmesh/config';
import { toCogmeshError } from '@cogmesh/errors';
import { createLogger, startTelemetry } from '@cogmesh/telemetry';
import type { ServiceDefinition } from './definition.js';
import { serveHealth } from './health-server.js';
import { hostService } from './host-service.js';
import { platformConfig } from './platform-config.js';
import { version } from './version.js';

/** Exit status after a start that was refused, as sysexits.h's EX_CONFIG has it. */
const EXIT_CONFIG = 78;

export async function runService<S extends Settings>(
  definition: ServiceDefinition<S>,
  environment: Environment = processEnvironment(),
): Promise<void> {
  const logger = createLogger({ level: environment['COGMESH_LOG_LEVEL'] ?? 'info' });
  const telemetry = await startTelemetry({ service: definition.name, version, environment });
  try {
    const platform = loadConfig(platformConfig, environment);
    let leave = (): void => process.exit(1);
    const hosted = await hostService(definition, { environment, logger, fail: () => leave() });
    const health =
      platform.healthListen === ''
        ? undefined
        : await serveHealth(platform.healthListen, () => hosted.running.readiness());
    logger.info({ addresses: hosted.running.addresses }, `${definition.name} is up`);
    leave = onStop(platform.stopTimeoutMs, async () => {
      logger.info(`${definition.name} drains`);
      await health?.close();
      await hosted.stop();
      await telemetry.stop();
    });
  } catch (thrown) {
    const error = toCogmeshError(thrown);
    logger.fatal({ code: error.code, err: error.code === 'internal' ? error.cause : undefined }, error.message);
    await telemetry.stop();
    process.exitCode = error.code === 'invalid_config' ? EXIT_CONFIG : 1;
    // Whatever a failed start left open must not keep the process alive.
    setTimeout(() => process.exit(), 100).unref();
  }
}

/** Drains and exits on a signal; the answer does the same for a service that may not go on, with exit status 1. */
function onStop(timeoutMs: number, stop: () => Promise<void>): () => void {
  let stopping = false;
  const leave = (status: number) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), timeoutMs).unref();
    stop().then(
      () => process.exit(status),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', () => leave(0));
  process.on('SIGINT', () => leave(0));
  return () => leave(1);
}
