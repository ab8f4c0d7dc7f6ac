import { z } from 'zod';
import { defineConfig, flag, integer, list, setting, text, type ConfigOf } from '@cogmesh/config';
import {
  defaultAgeingMs,
  defaultHeadSize,
  defaultMisfireGraceMs,
  defaultRunLimits,
  defaultShards,
  defaultSweepMs,
  defaultTaskDefaults,
  maxShards,
} from '@cogmesh/scheduling-core';
import type { EngineSettings } from './engine/settings.js';
import { poolSettings } from './pool/config.js';

const hourMs = 3_600_000;

export const schedulerConfig = defineConfig('scheduler', {
  strategy: setting(
    'COGMESH_SCHEDULER_STRATEGY',
    z.enum(['load-aware', 'round-robin']).default('load-aware'),
    '`load-aware`: each task goes to the agent with the shortest expected wait, within its free credits. `round-robin`: tasks go to a queue per capability that its agents share.',
  ),
  leaseMs: setting(
    'COGMESH_SCHEDULER_LEASE_MS',
    integer({ min: 200, max: hourMs, default: 10_000 }),
    'How long running work is left alone without a renewal from its agent, milliseconds. Shorter finds crashed agents sooner; keep it above three heartbeats.',
  ),
  startWithinMs: setting(
    'COGMESH_SCHEDULER_START_WITHIN_MS',
    integer({ min: 200, max: hourMs, default: 30_000 }),
    'Work that no agent has started by then is taken back and handed out anew, milliseconds.',
  ),
  claimBatch: setting(
    'COGMESH_SCHEDULER_CLAIM_BATCH',
    integer({ min: 1, max: 1_000, default: 200 }),
    'Tasks claimed by one decision.',
  ),
  headSize: setting(
    'COGMESH_SCHEDULER_HEAD_SIZE',
    integer({ min: 10, max: 100_000, default: defaultHeadSize }),
    'Ready tasks of one kind (organisation, what they need, group) that are held in memory, up to twice as many for a while; the others wait in the database.',
  ),
  maxResidentRows: setting(
    'COGMESH_SCHEDULER_MAX_RESIDENT_TASKS',
    integer({ min: 1_000, max: 10_000_000, default: 50_000 }),
    'Tasks of runs held in memory beyond which runs that nothing works on are put out. Runs with work in flight always stay.',
  ),
  maxPayloadBytes: setting(
    'COGMESH_SCHEDULER_MAX_PAYLOAD_BYTES',
    integer({ min: 1_048_576, max: 2_147_483_647, default: 67_108_864 }),
    'Bytes of outputs and forEach items held in memory beyond which the oldest are put out and read again when an expression needs them.',
  ),
  sweepMs: setting(
    'COGMESH_SCHEDULER_SWEEP_MS',
    integer({ min: 100, max: hourMs, default: defaultSweepMs }),
    'Time between two comparisons of memory with the database, milliseconds. What had to be mended is counted, shown by `readyz` and logged as an error; it is always a defect.',
  ),
  sharedOutstanding: setting(
    'COGMESH_SCHEDULER_SHARED_OUTSTANDING',
    integer({ min: 1, max: 10_000, default: 200 }),
    'Unfinished tasks per shared queue with `round-robin`; never more than twice the credits of its agents.',
  ),
  resultSenders: setting(
    'COGMESH_SCHEDULER_RESULT_SENDERS',
    list(['worker', 'registry']),
    'Services whose reports about work are accepted, by their broker user. Anything else goes to the dead letters.',
  ),
  maxTasks: setting(
    'COGMESH_SCHEDULER_MAX_TASKS',
    integer({ min: 1, max: 100_000, default: defaultRunLimits.maxTasks }),
    'Tasks in one run document.',
  ),
  maxExpandedTasks: setting(
    'COGMESH_SCHEDULER_MAX_EXPANDED_TASKS',
    integer({ min: 1, max: 1_000_000, default: defaultRunLimits.maxExpandedTasks }),
    'Tasks of one run after every forEach has been expanded.',
  ),
  maxExpressionSteps: setting(
    'COGMESH_SCHEDULER_MAX_EXPRESSION_STEPS',
    integer({ min: 1_000, max: 100_000_000, default: defaultRunLimits.maxExpressionSteps }),
    'Steps one expression may take before it is stopped.',
  ),
  taskTimeoutMs: setting(
    'COGMESH_SCHEDULER_TASK_TIMEOUT_MS',
    integer({ min: 1, max: 24 * hourMs, default: defaultTaskDefaults.timeoutMs }),
    'Time-out of a task that names none, from its start, milliseconds.',
  ),
  taskMaxAttempts: setting(
    'COGMESH_SCHEDULER_TASK_MAX_ATTEMPTS',
    integer({ min: 1, max: defaultRunLimits.maxAttempts, default: defaultTaskDefaults.retry.maxAttempts }),
    'Attempts of a task that names no retry policy.',
  ),
  poisonAfter: setting(
    'COGMESH_SCHEDULER_POISON_AFTER',
    integer({ min: 1, max: 1_000, default: 3 }),
    'A task whose attempts were lost with their agents so often fails with `poison`, so that one input cannot take down every agent in turn.',
  ),
  ageingMs: setting(
    'COGMESH_SCHEDULER_AGEING_MS',
    integer({ min: 1, max: 24 * hourMs, default: defaultAgeingMs }),
    'Waiting this long lifts a task by one priority band, milliseconds.',
  ),
  inputCheckSteps: setting(
    'COGMESH_SCHEDULER_INPUT_CHECK_STEPS',
    integer({ min: 0, max: 100_000_000, default: 200_000 }),
    'Steps (values times rules they are held against) that one check of an input against the schema of its capability may take. A costlier input goes to its agent unchecked; 0 checks nothing.',
  ),
  inputSchemasCached: setting(
    'COGMESH_SCHEDULER_INPUT_SCHEMAS_CACHED',
    integer({ min: 1, max: 100_000, default: 500 }),
    'Input schemas of capabilities that are kept ready for checking.',
  ),
  maxInlineBytes: setting(
    'COGMESH_SCHEDULER_MAX_INLINE_BYTES',
    integer({ min: 256, max: 1_048_576, default: 65_536 }),
    'Outputs that the scheduler builds (lists of items, outputs of runs) are stored as blobs above this size, bytes.',
  ),
  registryStaleMs: setting(
    'COGMESH_SCHEDULER_REGISTRY_STALE_MS',
    integer({ min: 1_000, max: hourMs, default: 60_000 }),
    'How long the last known agents are used while the registry does not answer, milliseconds.',
  ),
  agentMissingMs: setting(
    'COGMESH_SCHEDULER_AGENT_MISSING_MS',
    integer({ min: 100, max: hourMs, default: 10_000 }),
    'How long an agent may be missing from the registry’s answers (it has just restarted, say) before its unstarted work goes to others, milliseconds.',
  ),
  misfireGraceMs: setting(
    'COGMESH_SCHEDULER_MISFIRE_GRACE_MS',
    integer({ min: 1_000, max: 24 * hourMs, default: defaultMisfireGraceMs }),
    'A schedule with the misfire policy `skip` drops a time that is later than this, milliseconds.',
  ),
  webhookMaxAttempts: setting(
    'COGMESH_WEBHOOK_MAX_ATTEMPTS',
    integer({ min: 1, max: 20, default: 10 }),
    'Attempts of a webhook delivery before it is given up. The waits between them grow from 10 s threefold; ten attempts span about a day.',
  ),
  webhookAllowPrivate: setting(
    'COGMESH_WEBHOOK_ALLOW_PRIVATE',
    flag(false),
    'Webhooks may use plain http and reach private, loopback and link-local addresses. Only where every organisation is trusted with the network of the scheduler.',
  ),
  historyDays: setting(
    'COGMESH_SCHEDULER_HISTORY_DAYS',
    integer({ min: 0, max: 36_500, default: 30 }),
    'History of finished runs, times that schedules fired and deliveries of webhooks are removed after so many days. 0 keeps them for ever.',
  ),
  runDays: setting(
    'COGMESH_SCHEDULER_RUN_DAYS',
    integer({ min: 0, max: 36_500, default: 30 }),
    'Finished runs are removed after so many days, with their tasks, outputs, history and idempotency keys. 0 keeps them for ever.',
  ),
  hostOrganisation: setting(
    'COGMESH_HOST_ORGANISATION',
    text('acme'),
    'Organisation whose administrators grant weights and service classes, and limit capabilities.',
  ),
  replica: setting(
    'COGMESH_SCHEDULER_REPLICA',
    text(''),
    'Name of this scheduler among those that share its database; the same after a restart, another one for each. Empty means the name of the host and the address it listens at.',
  ),
  shards: setting(
    'COGMESH_SCHEDULER_SHARDS',
    integer({ min: 1, max: maxShards, default: defaultShards }),
    'Shards that schedulers of one database share the runs by; an organisation is in one, unless it is split. Fixed for a database once it has been used.',
  ),
  refuseUnknownModels: setting(
    'COGMESH_SCHEDULER_REFUSE_UNKNOWN_MODELS',
    flag(true),
    'Refuse a run that names a model no connected agent offers in any version. Turn it off where workers are started on demand.',
  ),
  ...poolSettings,
});

export type SchedulerConfig = ConfigOf<typeof schedulerConfig>;

export function engineSettings(config: SchedulerConfig): EngineSettings {
  const { maxTasks, maxExpandedTasks, maxExpressionSteps, taskTimeoutMs, taskMaxAttempts, ...rest } = config;
  return {
    ...rest,
    limits: { ...defaultRunLimits, maxTasks, maxExpandedTasks, maxExpressionSteps },
    defaults: {
      ...defaultTaskDefaults,
      timeoutMs: taskTimeoutMs,
      retry: { ...defaultTaskDefaults.retry, maxAttempts: taskMaxAttempts },
    },
  };
}
