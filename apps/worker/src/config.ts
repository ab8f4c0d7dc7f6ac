import { fileURLToPath } from 'node:url';
import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** `deploy/models` of the repository, from the built and from the source file alike. */
const shippedModels = fileURLToPath(new URL('../../../deploy/models', import.meta.url));

/** Settings of the worker. */
export const workerConfig = defineConfig('worker', {
  name: setting('COGMESH_WORKER_NAME', text('worker-1'), 'Name shown to people; stable over restarts.'),
  advertisedAddress: setting(
    'COGMESH_ADVERTISED_ADDRESS',
    text(''),
    'gRPC address others reach this worker at, its sidecar’s in a cluster; empty means where it listens.',
  ),
  modelsDir: setting(
    'COGMESH_MODELS_DIR',
    text(''),
    'Model repository: `<organisation>/<name>/<version>/model.yaml`. Empty means the models shipped in `deploy/models`.',
  ),
  modelEngines: setting(
    'COGMESH_WORKER_ENGINES',
    integer({ min: 1, max: 64, default: 2 }),
    'Engine processes that run models, one thread each; as many as the cores meant for inference. A process needs 100 to 250 MB with the shipped models.',
  ),
  scriptEngines: setting(
    'COGMESH_WORKER_SCRIPT_ENGINES',
    integer({ min: 0, max: 16, default: 1 }),
    'Engine processes that run `script` tasks; 0 for a worker that takes none.',
  ),
  queueDepth: setting(
    'COGMESH_WORKER_QUEUE_DEPTH',
    integer({ min: 0, max: 1_000, default: 4 }),
    'Work items that may wait here behind each running one, so that engines do not idle between deliveries. More means less even load between workers.',
  ),
  scriptTimeoutMs: setting(
    'COGMESH_SCRIPT_TIMEOUT_MS',
    integer({ min: 10, max: 60_000, default: 5_000 }),
    'Longest run of a `script` task, milliseconds; a task’s own `timeoutMs` may be shorter.',
  ),
  scriptMemoryBytes: setting(
    'COGMESH_SCRIPT_MEMORY_BYTES',
    integer({ min: 16_777_216, max: 268_435_456, default: 33_554_432 }),
    'Memory of one `script` task with the sandbox around it, bytes.',
  ),
  maxOutputBytes: setting(
    'COGMESH_WORKER_MAX_OUTPUT_BYTES',
    integer({ min: 1_024, max: 67_108_864, default: 8_388_608 }),
    'Largest output of one task as JSON, bytes; over 64 KiB it is stored as a blob.',
  ),
  maxBlobBytes: setting(
    'COGMESH_WORKER_MAX_BLOB_BYTES',
    integer({ min: 1_024, max: 1_073_741_824, default: 67_108_864 }),
    'Largest blob a task may read, and the most bytes kept for tasks in progress, bytes.',
  ),
});

export type WorkerConfig = ConfigOf<typeof workerConfig>;

/** The model repository's folder. Not the setting's default itself, which would document a path of one machine. */
export const modelsFolder = ({ modelsDir }: Pick<WorkerConfig, 'modelsDir'>): string =>
  modelsDir === '' ? shippedModels : modelsDir;
