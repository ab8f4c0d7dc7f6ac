/** Bodies of the calls that steer the scheduler: runs in progress, limits, schedules, webhooks, dead letters. */
import { z } from 'zod';
import { ErrorInfo, RunDocument, RunState } from './schemas.js';

const timeOrNull = z.iso.datetime().nullable();
const anyJson = z.unknown().meta({ description: 'Any JSON value.' });
const labels = z.record(z.string(), z.string());

export const RetryRequest = z.object({
  fromFailed: z
    .boolean()
    .default(true)
    .meta({ description: 'Only what did not succeed runs again; false repeats the whole run.' }),
  input: anyJson.optional().meta({ description: 'In place of the input of the run; only when everything runs again.' }),
});
export const PauseRequest = z.object({ reason: z.string().max(500).default('') });
export const PriorityRequest = z.object({
  priority: z.int().min(0).max(9).meta({ description: 'Higher first.' }),
  task: z.string().max(64).default('').meta({ description: 'One waiting task; without it, the run.' }),
});
export const SignalRequest = z.object({
  approved: z.boolean().meta({ description: 'False fails the task with `refused`.' }),
  index: z.int().min(0).optional().meta({ description: 'One item of a `forEach` task, from 0.' }),
  comment: z.string().max(2_000).default(''),
  data: anyJson.optional().meta({ description: 'Part of the output of the task, at most 64 KiB.' }),
});
export const SignalAnswer = z.object({
  run: z.string(),
  missing: z.int().meta({ description: 'Approvals that are still missing.' }),
});
export const WaitingAnswer = z.object({
  waiting: z
    .object({
      code: z.string().meta({
        description: '`dependencies`, `quota`, `no_agent`, `busy`, `concurrency`, `paused`, `timer` or `approval`.',
      }),
      message: z.string(),
    })
    .nullable()
    .meta({ description: 'Null when it does not wait.' }),
  position: z.int().meta({ description: 'Place in the order of its organisation, from 1; 0 when it is not in it.' }),
  estimateMs: z.int().meta({ description: 'Until it starts, milliseconds; 0 when nobody knows.' }),
});

export const ScopeKind = z.enum(['organisation', 'capability', 'group']);
export const Limits = z.object({
  maxInFlight: z.int().min(0).default(0).meta({ description: 'Attempts at once; 0 for no limit.' }),
  ratePerSecond: z.number().min(0).default(0).meta({ description: 'Starts per second; 0 for no limit.' }),
  burst: z.int().min(0).default(0).meta({ description: 'Starts that may come at once.' }),
  maxQueued: z
    .int()
    .min(0)
    .default(0)
    .meta({ description: 'Unfinished tasks of an organisation; a submit beyond is refused with 429.' }),
  weight: z.int().min(0).max(1_000).default(0).meta({ description: 'Share between organisations; 0 means 1.' }),
  serviceClass: z.int().min(0).default(0).meta({ description: 'Higher first, across organisations.' }),
  parts: z.int().min(0).default(0).meta({
    description: 'Shards over which new runs of the organisation are spread; 0 when it has never been split.',
  }),
});
export const ScopeRequest = z.object({ limits: Limits.prefault({}), paused: z.boolean().default(false) });
export const Scope = z.object({
  kind: ScopeKind,
  name: z.string(),
  organisation: z.string(),
  limits: Limits,
  paused: z.boolean().meta({ description: 'Nothing of it starts.' }),
  usage: z.object({ inFlight: z.int(), queued: z.int() }).nullable(),
});
export const ScopeList = z.object({ scopes: z.array(Scope) });

export const Misfire = z.enum(['skip', 'once', 'all']);
export const Overlap = z.enum(['skip', 'allow', 'queue', 'cancel']);
export const ScheduleRequest = z.object({
  cron: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'Five or six fields.', examples: ['0 6 * * 1-5'] }),
  timeZone: z.string().max(64).default('').meta({ description: 'IANA name; UTC without it.' }),
  document: RunDocument.meta({ description: '`${{ schedule.time }}` is the time it fires for.' }),
  misfire: Misfire.default('once').meta({ description: 'What becomes of times that passed while nobody was there.' }),
  maxMisfires: z.int().min(0).max(1_000).default(0).meta({ description: 'For `all`; 0 means 10.' }),
  overlap: Overlap.default('skip').meta({ description: 'What becomes of a time while the last run is unfinished.' }),
  paused: z.boolean().default(false),
});
export const Schedule = z.object({
  id: z.string(),
  name: z.string(),
  organisation: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  document: anyJson,
  misfire: Misfire,
  maxMisfires: z.int(),
  overlap: Overlap,
  paused: z.boolean(),
  nextAt: timeOrNull,
  lastAt: timeOrNull,
  lastRun: z.string().nullable(),
  lastError: ErrorInfo.nullable(),
  createdBy: z.string().meta({ description: 'Whose rights its runs have.' }),
});
export const ScheduleWithTimes = Schedule.extend({
  upcoming: z.array(z.iso.datetime()).meta({ description: 'The next times, at most 10.' }),
});
export const SchedulePage = z.object({ schedules: z.array(Schedule), nextCursor: z.string().nullable() });
export const TriggerAnswer = z.object({ run: z.string() });
export const BackfillRequest = z.object({
  from: z.iso.datetime({ offset: true }),
  to: z.iso.datetime({ offset: true }).meta({ description: 'The end itself excluded.' }),
  limit: z.int().min(0).max(1_000).default(0).meta({ description: 'Most runs it may make; 0 means 100.' }),
});
export const BackfillAnswer = z.object({ runs: z.array(z.string()) });

export const WebhookRequest = z.object({
  url: z.string().min(1).max(2_048),
  states: z.array(RunState).default([]).meta({ description: 'Empty for every end of a run.' }),
  labels: labels.default({}).meta({ description: 'Only runs that carry all of these.' }),
  paused: z.boolean().default(false),
});
export const Webhook = z.object({
  id: z.string(),
  organisation: z.string(),
  url: z.string(),
  states: z.array(RunState),
  labels,
  paused: z.boolean(),
  secret: z.string().optional().meta({ description: 'Base64; only in the answer that makes it.' }),
});
export const WebhookList = z.object({ webhooks: z.array(Webhook) });
export const Delivery = z.object({
  id: z.string(),
  webhook: z.string(),
  run: z.string(),
  attempt: z.int(),
  status: z.int().meta({ description: 'HTTP status; 0 when there was no answer.' }),
  error: z.string(),
  delivered: z.boolean(),
  nextAt: timeOrNull,
});
export const DeliveryPage = z.object({ deliveries: z.array(Delivery), nextCursor: z.string().nullable() });

export const DeadLetter = z.object({
  id: z.string(),
  queue: z.string(),
  reason: z.string(),
  messageType: z.string(),
  receivedAt: timeOrNull,
  body: z.string().meta({ description: 'Base64.' }),
});
export const DeadLetterPage = z.object({ deadLetters: z.array(DeadLetter), nextCursor: z.string().nullable() });

export const schedulingSchemas = {
  BackfillAnswer,
  BackfillRequest,
  DeadLetter,
  DeadLetterPage,
  Delivery,
  DeliveryPage,
  Limits,
  Misfire,
  Overlap,
  PauseRequest,
  PriorityRequest,
  RetryRequest,
  Schedule,
  SchedulePage,
  ScheduleRequest,
  ScheduleWithTimes,
  Scope,
  ScopeKind,
  ScopeList,
  ScopeRequest,
  SignalAnswer,
  SignalRequest,
  TriggerAnswer,
  WaitingAnswer,
  Webhook,
  WebhookList,
  WebhookRequest,
} as const;
