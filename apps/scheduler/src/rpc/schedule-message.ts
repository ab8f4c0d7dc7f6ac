/** Schedules as messages of the contract, and back. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Misfire, Overlap } from '@cogmesh/scheduling-core';
import type { ScheduleRow } from '../model/schedule.js';
import { creatorOf } from '../schedules/fire.js';
import { errorInfo } from './to-proto.js';

const { Schedule_Misfire: M, Schedule_Overlap: O } = schedulerV1;

const misfires: Readonly<Record<Misfire, schedulerV1.Schedule_Misfire>> = { skip: M.SKIP, once: M.ONCE, all: M.ALL };
const overlaps: Readonly<Record<Overlap, schedulerV1.Schedule_Overlap>> = {
  skip: O.SKIP,
  allow: O.ALLOW,
  queue: O.QUEUE,
  cancel: O.CANCEL,
};

const defaultMaxMisfires = 10;
const maxMaxMisfires = 1_000;
/** What a name is: it never looks like an id, so that both can name a schedule. */
const namePattern = /^[a-z][a-z0-9_-]{0,62}$/;

export function scheduleMessage(row: ScheduleRow): MessageInitShape<typeof schedulerV1.ScheduleSchema> {
  const lastError = errorInfo(row.lastError);
  return {
    id: row.id,
    name: row.name,
    organisation: row.organisation,
    cron: row.cron,
    timeZone: row.timeZone === '' ? 'UTC' : row.timeZone,
    documentJson: row.document,
    misfire: misfires[row.misfire],
    maxMisfires: row.maxMisfires,
    overlap: overlaps[row.overlap],
    paused: row.paused === 1,
    ...(row.nextAt === null || row.paused === 1 ? {} : { nextAt: timestampFromMs(row.nextAt) }),
    ...(row.lastAt === null ? {} : { lastAt: timestampFromMs(row.lastAt) }),
    lastRunId: row.lastRunId ?? '',
    ...(lastError === undefined ? {} : { lastError }),
    createdBy: creatorOf(row).sub,
  };
}

export type Policies = Pick<ScheduleRow, 'misfire' | 'maxMisfires' | 'overlap'>;

/** Throws `invalid_argument`. */
export function policiesOf({ misfire, maxMisfires, overlap }: schedulerV1.Schedule): Policies {
  if (maxMisfires < 0 || maxMisfires > maxMaxMisfires)
    throw new CogmeshError('invalid_argument', `max_misfires is 1 to ${maxMaxMisfires}`);
  return {
    misfire: misfire === M.UNSPECIFIED ? 'once' : named(misfires, misfire, 'misfire'),
    maxMisfires: maxMisfires === 0 ? defaultMaxMisfires : maxMisfires,
    overlap: overlap === O.UNSPECIFIED ? 'skip' : named(overlaps, overlap, 'overlap'),
  };
}

/** Throws `invalid_argument`. */
export function nameOf({ name }: schedulerV1.Schedule): string {
  if (namePattern.test(name)) return name;
  throw new CogmeshError('invalid_argument', `"${name.slice(0, 100)}" is no name of a schedule: ${namePattern.source}`);
}

function named<Name extends string>(of: Readonly<Record<Name, number>>, value: number, field: string): Name {
  const found = (Object.keys(of) as Name[]).find((name) => of[name] === value);
  if (found === undefined) throw new CogmeshError('invalid_argument', `${value} is no ${field} policy`);
  return found;
}
