/**
 * The composition root. Engines fork first and models load behind the start; the worker announces itself as soon as it can
 * and says per model whether it is ready. Closing drains first, so that no task waits for a lease to run out.
 */
import { gatewayV1, registryV1 } from '@cogmesh/contracts';
import { authorisation, openEnforcement, type Enforcement } from '@cogmesh/enforcement';
import { createClient, openChannel, serveRpc, type Client } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import { bindService } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import { fetchBlob, storeOutput } from './adapters/gateway-blobs.js';
import { RegistryLink, type RegistryLinkOptions } from './adapters/registry-link.js';
import { modelsFolder, type WorkerConfig } from './config.js';
import { Duty } from './duty.js';
import { EnginePool } from './engines/engine-pool.js';
import { engineEnvironment } from './engines/engine-environment.js';
import { capabilitiesOf, type CapabilityInit } from './inference/capabilities.js';
import { Inference } from './inference/inference.js';
import { ModelBook } from './inference/model-book.js';
import { recordModelRun } from './inference/model-run-span.js';
import { carryOut } from './instructions.js';
import { readModelRepository } from './models/model-repository.js';
import { PortraitPainter } from './portrait.js';
import { readinessOf } from './readiness.js';
import { inferenceRpc } from './rpc/inference.rpc.js';
import { AttemptBook } from './work/attempt-book.js';
import { BlobCache } from './work/blob-cache.js';
import { Report } from './work/report.js';
import { AttemptRunner } from './work/run-attempt.js';
import { workIntake } from './work/work-intake.js';
import { WorkQueues } from './work/work-queues.js';

export interface WorkerParts {
  readonly models: ModelBook;
  readonly inference: Inference;
  /** Where it listens. */
  readonly address: string;
  readiness(): Promise<Readiness>;
  close(): Promise<void>;
}

/** How long bytes stay after their last task: the next line of the same picture comes within a dispatch. */
const blobLingerMs = 2000;
/** How long the last reports are tried once a stop began, milliseconds. */
const lastReportsMs = 10_000;

export async function wireWorker(host: ServiceHost, config: WorkerConfig): Promise<WorkerParts> {
  const engines = await startEngines(host, config);
  try {
    return await serve({ host, config, ...engines });
  } catch (thrown) {
    await engines.pool.stop();
    throw thrown;
  }
}

interface Engines {
  readonly pool: EnginePool;
  readonly models: ModelBook;
  readonly inference: Inference;
  readonly attempts: AttemptBook;
  readonly duty: Duty;
}

async function startEngines(host: ServiceHost, config: WorkerConfig): Promise<Engines> {
  const { logger } = host;
  const { modelEngines, scriptEngines, queueDepth } = config;
  const installed = await readModelRepository(modelsFolder(config));
  const environment = engineEnvironment(host.environment);
  const pool = new EnginePool({
    modelEngines,
    scriptEngines,
    environment,
    logger,
    onModelState: bindService((): void => duty.announce()),
  });
  const models = new ModelBook({ pool, modelEngines, queueDepth, onBatch: bindService(recordModelRun) });
  const attempts = new AttemptBook();
  const capabilities = (): CapabilityInit[] =>
    capabilitiesOf({ models, scriptEngines, queueDepth, scriptReady: () => pool.isReady });
  const duty: Duty = new Duty({ attempts, capabilities, logger });
  pool.start();
  for (const model of installed) {
    models
      .load(model)
      .catch((thrown: unknown) => logger.error({ model: model.key, err: thrown }, 'a model could not be loaded'));
  }
  return { pool, models, inference: new Inference({ ...config, models, pool }), attempts, duty };
}

interface Serving extends Engines {
  readonly host: ServiceHost;
  readonly config: WorkerConfig;
}

async function serve(serving: Serving): Promise<WorkerParts> {
  const { host, config, pool, models, inference, duty } = serving;
  const agentId = `agent_${ulid()}`;
  const leaving = new AbortController();
  const enforcement = await openEnforcement({ ...host, service: 'worker' });
  const gateway = openChannel({
    target: host.peers.gateway,
    authorize: authorisation(enforcement.identity, 'gateway'),
    secure: { security: host.security, service: 'gateway' },
  });
  const registry = openChannel({
    target: host.peers.registry,
    secure: { security: host.security, service: 'registry' },
  });
  const blobService = createClient(gatewayV1.BlobService, gateway);
  const { queues, blobs } = wireWork(serving, { agentId, blobService, enforcement, signal: leaving.signal });
  const server = await serveRpc({
    address: host.listen,
    services: [inferenceRpc({ models, inference, isDraining: () => duty.isDraining })],
    authenticate: enforcement.authenticate,
    logger: host.logger,
    security: host.security,
  });
  const link = new RegistryLink({
    client: createClient(registryV1.AgentService, registry),
    token: () => enforcement.identity.serviceToken('registry'),
    agentId,
    name: config.name,
    address: config.advertisedAddress === '' ? server.address : config.advertisedAddress,
    ...linkTo(serving),
  });
  await duty.begin({ queues, link });
  return {
    models,
    inference,
    address: server.address,
    readiness: () =>
      Promise.resolve(readinessOf({ pool, models, connected: link.isConnected, enforcement: enforcement.ready() })),
    close: async () => {
      const lastReports = setTimeout(() => leaving.abort(), lastReportsMs);
      await duty.drain();
      clearTimeout(lastReports);
      leaving.abort();
      await link.stop('the worker is stopping');
      await server.stop();
      blobs.clear();
      await pool.stop();
      await enforcement.close();
      gateway.close();
      registry.close();
    },
  };
}

/** What the link to the registry reports and obeys. */
function linkTo({
  host,
  config,
  pool,
  models,
  inference,
  attempts,
  duty,
}: Serving): Pick<
  RegistryLinkOptions,
  'capabilities' | 'portrait' | 'attemptIds' | 'isDraining' | 'carryOut' | 'logger'
> {
  const { logger } = host;
  const { scriptEngines, queueDepth } = config;
  const modelsDir = modelsFolder(config);
  const painter = new PortraitPainter(pool, models, inference);
  const drain = () => void duty.drain().catch((thrown: unknown) => logger.error({ err: thrown }, 'draining failed'));
  return {
    capabilities: () => capabilitiesOf({ models, scriptEngines, queueDepth, scriptReady: () => pool.isReady }),
    portrait: () => painter.paint(),
    attemptIds: () => attempts.ids,
    isDraining: () => duty.isDraining,
    carryOut: (instruction) =>
      carryOut(instruction, { modelsDir, models, attempts, drain, onChanged: () => duty.announce() }),
    logger,
  };
}

interface WorkNeeds {
  readonly agentId: string;
  readonly blobService: Client<typeof gatewayV1.BlobService>;
  readonly enforcement: Enforcement;
  readonly signal: AbortSignal;
}

/** From the work queues to results on the bus. */
function wireWork(
  { host, config, pool, models, inference, attempts, duty }: Serving,
  needs: WorkNeeds,
): { queues: WorkQueues; blobs: BlobCache } {
  const { agentId, blobService, enforcement, signal } = needs;
  const { bus, logger } = host;
  const isDraining = () => duty.isDraining;
  const blobs = new BlobCache({
    fetch: (request, maxBytes) => fetchBlob(blobService, request, maxBytes),
    maxBytes: config.maxBlobBytes,
    lingerMs: blobLingerMs,
    onDropped: (key) => pool.clear(key),
  });
  const runner = new AttemptRunner({
    agentId,
    models,
    inference,
    blobs,
    storeOutput: (json, owner) => storeOutput(blobService, json, owner),
    maxOutputBytes: config.maxOutputBytes,
    isDraining,
  });
  const intake = workIntake({
    agentId,
    attempts,
    runner,
    report: new Report(bus, signal),
    checkTaskGrant: enforcement.checkTaskGrant,
    readGrant: (grant) => enforcement.identity.verifyTaskGrant(grant),
    isDraining,
    logger,
  });
  return { queues: new WorkQueues(bus, agentId, bindService(intake)), blobs };
}
