/** Limits, schedules, webhooks and dead letters as JSON, and back from it. Enumerations are lower-case words. */
import { create } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { errorView, orNull, runState, time, valueOf, type View } from './views.js';

const { Scope_Kind, Schedule_Misfire, Schedule_Overlap } = schedulerV1;

export const scopeKinds = {
  organisation: Scope_Kind.ORGANISATION,
  capability: Scope_Kind.CAPABILITY,
  group: Scope_Kind.GROUP,
} as const;
export const misfires = {
  skip: Schedule_Misfire.SKIP,
  once: Schedule_Misfire.ONCE,
  all: Schedule_Misfire.ALL,
} as const;
export const overlaps = {
  skip: Schedule_Overlap.SKIP,
  allow: Schedule_Overlap.ALLOW,
  queue: Schedule_Overlap.QUEUE,
  cancel: Schedule_Overlap.CANCEL,
} as const;

function wordOf<Word extends string>(words: Readonly<Record<Word, number>>, value: number, fallback: Word): Word {
  const found = Object.entries<number>(words).find(([, number]) => number === value);
  return found === undefined ? fallback : (found[0] as Word);
}

/** Rejects with `internal`: the scheduler's answer lacks what it promises. */
export function present<Value>(value: Value | undefined, what: string): Value {
  if (value !== undefined) return value;
  throw new CogmeshError('internal', `the scheduler answered without a ${what}`);
}

export function scopeView(scope: schedulerV1.Scope): View<'Scope'> {
  const { kind, name, organisation, limits, paused, usage } = scope;
  return {
    kind: wordOf(scopeKinds, kind, 'organisation'),
    name,
    organisation,
    limits: limitsView(limits ?? create(schedulerV1.LimitsSchema)),
    paused,
    usage: usage === undefined ? null : { inFlight: Number(usage.inFlight), queued: Number(usage.queued) },
  };
}

function limitsView(limits: schedulerV1.Limits): View<'Limits'> {
  const { maxInFlight, ratePerSecond, burst, maxQueued, weight, serviceClass, parts } = limits;
  return { maxInFlight, ratePerSecond, burst, maxQueued: Number(maxQueued), weight, serviceClass, parts };
}

export function scheduleView(schedule: schedulerV1.Schedule): View<'Schedule'> {
  return {
    id: schedule.id,
    name: schedule.name,
    organisation: schedule.organisation,
    cron: schedule.cron,
    timeZone: schedule.timeZone,
    document: valueOf(schedule.documentJson),
    misfire: wordOf(misfires, schedule.misfire, 'once'),
    maxMisfires: schedule.maxMisfires,
    overlap: wordOf(overlaps, schedule.overlap, 'skip'),
    paused: schedule.paused,
    nextAt: time(schedule.nextAt),
    lastAt: time(schedule.lastAt),
    lastRun: orNull(schedule.lastRunId),
    lastError: errorView(schedule.lastError),
    createdBy: schedule.createdBy,
  };
}

export function scheduleWithTimes(answer: schedulerV1.GetScheduleResponse): View<'ScheduleWithTimes'> {
  const schedule = scheduleView(present(answer.schedule, 'schedule'));
  return { ...schedule, upcoming: answer.upcoming.map((at) => timestampDate(at).toISOString()) };
}

export function webhookView(webhook: schedulerV1.Webhook): View<'Webhook'> {
  const { id, organisation, url, states, labels, paused, secret } = webhook;
  return {
    id,
    organisation,
    url,
    states: states.map(runState),
    labels,
    paused,
    ...(secret === '' ? {} : { secret }),
  };
}

export function deliveryView(delivery: schedulerV1.Delivery): View<'Delivery'> {
  const { id, webhookId, runId, attempt, status, error, delivered, nextAt } = delivery;
  return { id, webhook: webhookId, run: runId, attempt, status, error, delivered, nextAt: time(nextAt) };
}

export function deadLetterView(letter: schedulerV1.DeadLetter): View<'DeadLetter'> {
  const { id, queue, reason, messageType, receivedAt, body } = letter;
  return { id, queue, reason, messageType, receivedAt: time(receivedAt), body: Buffer.from(body).toString('base64') };
}

export function waitingView(answer: schedulerV1.ExplainWaitingResponse): View<'WaitingAnswer'> {
  const { waiting, position, estimateMs } = answer;
  return {
    waiting: waiting === undefined ? null : { code: waiting.code, message: waiting.message },
    position: Number(position),
    estimateMs: Number(estimateMs),
  };
}
