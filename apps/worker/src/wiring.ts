/**
 * The composition root. Engines fork first and models load behind the start; the worker announces itself at once and says
 * per model whether it is ready. A stop drains: nothing new, what has not begun goes back, what runs is finished.
 */
import { gatewayV1, registryV1 } from '@cogmesh/contracts';
import { authorisation, openEnforcement } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { createClient, openChannel, serveRpc } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import { bindService } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import { fetchBlob, storeOutput } from './adapters/gateway-blobs.js';
import { RegistryLink } from './adapters/registry-link.js';
import type { WorkerConfig } from './config.js';
import { EnginePool } from './engines/engine-pool.js';
import { engineEnvironment } from './engines/engine-environment.js';
import { capabilitiesOf } from './inference/capabilities.js';
import { Inference } from './inference/inference.js';
import { ModelBook } from './inference/model-book.js';
import { recordModelRun } from './inference/model-run-span.js';
import { carryOut } from './instructions.js';
import { readModelRepository } from './models/model-repository.js';
import { PortraitPainter } from './portrait.js';
import { inferenceRpc } from './rpc/inference.rpc.js';
import { AttemptBook } from './work/attempt-book.js';
import { BlobCache } from './work/blob-cache.js';
import { Report } from './work/report.js';
import { AttemptRunner } from './work/run-attempt.js';
import { workIntake } from './work/work-intake.js';
import { WorkQueues } from './work/work-queues.js';

export interface WorkerParts {
  readonly agentId: string;
  readonly models: ModelBook;
  readonly inference: Inference;
  readonly pool: EnginePool;
  /** Where it listens. */
  readonly address: string;
  readiness(): Promise<Readiness>;
  close(): Promise<void>;
}

/** How long bytes stay after their last task: the next line of the same picture comes within a dispatch. */
const blobLingerMs = 2000;
/** How long reports may still be tried after a stop began, milliseconds. */
const lastReportsMs = 10_000;

export async function wireWorker(host: ServiceHost, config: WorkerConfig): Promise<WorkerParts> {
  const { logger, bus, peers } = host;
  const agentId = `agent_${ulid()}`;
  const leaving = new AbortController();
  let draining = false;
  const isDraining = (): boolean => draining;

  const installed = await readModelRepository(config.modelsDir);
  const enforcement = await openEnforcement({ ...host, service: 'worker' });
  const { identity } = enforcement;
  const gateway = openChannel({ target: peers.gateway, authorize: authorisation(identity, 'gateway') });
  const registry = openChannel({ target: peers.registry });
  const blobService = createClient(gatewayV1.BlobService, gateway);

  const changed = bindService(() => announce());
  const pool = new EnginePool({
    modelEngines: config.modelEngines,
    scriptEngines: config.scriptEngines,
    environment: engineEnvironment(host.environment),
    logger,
    onModelState: () => changed(),
  });
  const { queueDepth, scriptEngines } = config;
  const models = new ModelBook({ pool, modelEngines: config.modelEngines, queueDepth, onBatch: recordModelRun });
  const inference = new Inference({ ...config, models, pool });
  const blobs = new BlobCache({
    fetch: (request, maxBytes) => fetchBlob(blobService, request, maxBytes),
    maxBytes: config.maxBlobBytes,
    lingerMs: blobLingerMs,
    onDropped: (key) => pool.clear(key),
  });
  const attempts = new AttemptBook();
  const report = new Report(bus, leaving.signal);
  const runner = new AttemptRunner({
    agentId,
    models,
    inference,
    blobs,
    storeOutput: (json, owner) => storeOutput(blobService, json, owner),
    maxOutputBytes: config.maxOutputBytes,
    isDraining,
  });
  const readGrant = (grant: string) => identity.verifyTaskGrant(grant);
  const { checkTaskGrant } = enforcement;
  const intake = workIntake({ agentId, attempts, runner, report, checkTaskGrant, readGrant, isDraining, logger });
  const queues = new WorkQueues(bus, agentId, bindService(intake));
  const capabilities = () => capabilitiesOf({ models, scriptEngines, queueDepth, scriptReady: () => pool.isReady });
  const portrait = new PortraitPainter(pool, models, inference);

  const server = await serveRpc({
    address: host.listen,
    services: [inferenceRpc({ models, inference, isDraining })],
    authenticate: enforcement.authenticate,
    logger,
  });

  const link = new RegistryLink({
    client: createClient(registryV1.AgentService, registry),
    token: () => identity.serviceToken('registry'),
    agentId,
    name: config.name,
    address: config.advertisedAddress === '' ? server.address : config.advertisedAddress,
    capabilities,
    portrait: () => portrait.paint(),
    attemptIds: () => attempts.ids,
    isDraining,
    carryOut: (instruction) =>
      carryOut(instruction, {
        modelsDir: config.modelsDir,
        models,
        attempts,
        drain: () => void drain(),
        onChanged: () => changed(),
      }),
    logger,
  });

  function announce(): void {
    const offered = capabilities();
    queues
      .follow(offered)
      .catch((thrown: unknown) => logger.error({ err: thrown }, 'the work queues could not be consumed'));
    link.beat().catch((thrown: unknown) => logger.warn({ err: thrown }, 'a heartbeat failed'));
  }

  /** What has not begun goes back, what runs is finished. */
  async function drain(): Promise<void> {
    draining = true;
    void link.beat().catch(() => undefined);
    const settled = queues.stop();
    attempts.abortUnstarted(new CogmeshError('cancelled', 'the worker is draining'));
    await settled;
  }

  pool.start();
  for (const model of installed) {
    models
      .load(model)
      .catch((thrown: unknown) => logger.error({ model: model.key, err: thrown }, 'a model could not be loaded'));
  }
  await queues.follow(capabilities());
  link.start();

  return {
    agentId,
    models,
    inference,
    pool,
    address: server.address,
    readiness: async () => readinessOf({ pool, models, link, enforcement: enforcement.ready() }),
    close: async () => {
      const lastReports = setTimeout(() => leaving.abort(), lastReportsMs);
      await drain();
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

interface ReadinessParts {
  readonly pool: EnginePool;
  readonly models: ModelBook;
  readonly link: RegistryLink;
  readonly enforcement: { readonly ready: boolean; readonly detail: string };
}

/** Ready with its engines and its link; each model's warmth is told, and does not hold the service back. */
function readinessOf({ pool, models, link, enforcement }: ReadinessParts): Readiness {
  const engines = { ready: pool.isReady, detail: `${pool.pids.length} engine processes` };
  const registry = {
    ready: link.isConnected,
    detail: link.isConnected ? 'connected' : 'not connected to the registry',
  };
  const warm = models.models.map(({ model }) => {
    const failure = pool.failureOf(model.key);
    const ready = models.isWarm(model.key);
    return [`model ${model.key}`, { ready, detail: failure ?? (ready ? 'warm' : 'loading') }] as const;
  });
  const checks = { engines, registry, enforcement, ...Object.fromEntries(warm) };
  return { ready: engines.ready && registry.ready, checks };
}
