/** Schedules: made by name, fired beside their times, filled up over a past range. What is wrong is said when they are put. */
import type { schedulerV1 } from '@cogmesh/contracts';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';
import { bindSchedule, cronTimes } from '@cogmesh/scheduling-core';
import { checkDocument, type SubmitContext } from '../engine/submit-run.js';
import type { Creator, ScheduleRow } from '../model/schedule.js';
import { backfill } from '../schedules/backfill.js';
import { fire, type FiringContext } from '../schedules/fire.js';
import { requireAccess, subjectOf } from './caller.js';
import { cursorAfter, pageOf } from './page.js';
import { nameOf, policiesOf, scheduleMessage } from './schedule-message.js';

export interface SchedulesRpcContext extends FiringContext {
  /** Of a submit: a schedule's document is checked like one. */
  readonly submission: SubmitContext;
  readonly newId: () => string;
  /** A schedule may be due sooner now. */
  readonly onPut: () => void;
}

type Methods =
  'putSchedule' | 'getSchedule' | 'listSchedules' | 'deleteSchedule' | 'triggerSchedule' | 'backfillSchedule';

/** Schedules of one organisation. */
const maxSchedules = 1_000;
const maxDocumentBytes = 1024 * 1024;
const upcomingTimes = 10;

export function schedulesRpc(
  context: SchedulesRpcContext,
): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const { schedules } = context;
  return {
    putSchedule: ({ schedule }, call) => put(context, schedule, call),
    getSchedule: async ({ schedule }, call) => {
      const row = await find(context, schedule, call);
      return { schedule: scheduleMessage(row), upcoming: row.paused === 1 ? [] : await upcoming(context, row) };
    },
    listSchedules: async ({ page }, call) => {
      const { limit, before } = pageOf(page);
      const rows = await schedules.list(subjectOf(call).subject.organisation, limit, before);
      // Documents are large; one is read with its schedule.
      const listed = rows.map((row) => ({ ...scheduleMessage(row), documentJson: '' }));
      return { schedules: listed, nextCursor: cursorAfter(rows, limit) };
    },
    deleteSchedule: async ({ schedule }, call) => {
      await schedules.delete((await find(context, schedule, call)).id);
      return {};
    },
    triggerSchedule: async ({ schedule: idOrName }, call) => {
      const schedule = await find(context, idOrName, call);
      const timeMs = await schedules.now();
      const before: Parameters<typeof fire>[1]['before'] = (tx, runId) => schedules.ran(schedule.id, runId, tx);
      return { runId: await fire(context, { schedule, timeMs, before }) };
    },
    backfillSchedule: async ({ schedule: idOrName, from, to, limit }, call) => {
      if (!from || !to) throw new CogmeshError('invalid_argument', 'a backfill has a range: from and to');
      const schedule = await find(context, idOrName, call);
      return {
        runIds: await backfill(context, schedule, { from: timestampMs(from), to: timestampMs(to), limit }),
      };
    },
  };
}

async function put(context: SchedulesRpcContext, schedule: schedulerV1.Schedule | undefined, call: CallContext) {
  if (!schedule) throw new CogmeshError('invalid_argument', 'there is no schedule to put');
  const caller = subjectOf(call);
  const { issuer, sub, organisation, roles, attributes } = caller.subject;
  const { cron, timeZone, documentJson, paused } = schedule;
  const name = nameOf(schedule);
  const policies = policiesOf(schedule);
  const times = cronTimes(cron, timeZone);
  const nextAt = times.nextAfter(await context.schedules.now());
  if (nextAt === undefined) throw new CogmeshError('invalid_argument', `cron "${cron}" never comes`);
  if (Buffer.byteLength(documentJson) > maxDocumentBytes)
    throw new CogmeshError('payload_too_large', `the document of a schedule has at most ${maxDocumentBytes} bytes`);
  const id = context.newId();
  await checkDocument(context.submission, {
    documentJson: bindSchedule(documentJson, { id, name, timeMs: nextAt }, context.maxExpressionSteps),
    organisation,
    requireAccess: (needed) => requireAccess(caller, needed),
  });
  await assertRoom(context, organisation, name);
  const creator: Creator = { issuer, sub, organisation, roles, attributes };
  await context.schedules.put({
    id,
    organisation,
    name,
    cron,
    timeZone,
    document: documentJson,
    ...policies,
    paused: paused ? 1 : 0,
    nextAt,
    createdBy: JSON.stringify(creator),
  });
  context.onPut();
  return { schedule: scheduleMessage(await find(context, name, call)) };
}

async function assertRoom({ schedules }: SchedulesRpcContext, organisation: string, name: string): Promise<void> {
  if ((await schedules.count(organisation)) < maxSchedules || (await schedules.find(organisation, name))) return;
  throw new CogmeshError('failed_precondition', `an organisation has at most ${maxSchedules} schedules`);
}

/** Another organisation's schedule is not found, like one that never was. */
async function find({ schedules }: SchedulesRpcContext, idOrName: string, call: CallContext): Promise<ScheduleRow> {
  const found = await schedules.find(subjectOf(call).subject.organisation, idOrName);
  if (!found) throw new CogmeshError('not_found', `there is no schedule ${idOrName.slice(0, 100)}`);
  return found;
}

async function upcoming({ schedules }: SchedulesRpcContext, { cron, timeZone }: ScheduleRow) {
  const from = (await schedules.now()) + 1;
  return cronTimes(cron, timeZone).between(from, Infinity, upcomingTimes).map(timestampFromMs);
}
