/**
 * One firing: the document for its time, the creator's rights decided again, and in one transaction the claim of the time,
 * the step of the schedule and the run. Whoever comes second, after a crash or on another replica, finds the time claimed.
 */
import type { SqlRunner } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { bindSchedule, type NeededAccess } from '@cogmesh/scheduling-core';
import { attributeNames, currentTraceparent, spanNames, withSpan } from '@cogmesh/telemetry';
import type { SqlSchedules } from '../adapters/sql-schedules.js';
import type { SubmitRequest, Submitted } from '../engine/submit-run.js';
import { submitterText } from '../engine/submitter.js';
import type { Creator, ScheduleRow } from '../model/schedule.js';
import type { Decisions } from './decisions.js';

export interface FiringContext {
  readonly schedules: SqlSchedules;
  readonly decisions: Decisions;
  /** A submit without its caller. */
  readonly submit: (request: SubmitRequest) => Promise<Pick<Submitted, 'runId'>>;
  readonly maxExpressionSteps: number;
}

export interface Firing {
  readonly schedule: ScheduleRow;
  readonly timeMs: number;
  /** Beside the run, in its transaction; throws to make no run. */
  readonly before: (tx: SqlRunner, runId: string) => Promise<void>;
  /** Default: policy is asked what the schedule's creator may do now. */
  readonly requireAccess?: (needed: readonly NeededAccess[]) => Promise<void>;
}

/** Answers the run's id. Throws what a submit would throw. */
export function fire({ decisions, submit, maxExpressionSteps }: FiringContext, firing: Firing): Promise<string> {
  const { schedule, timeMs, before } = firing;
  const { organisation } = schedule;
  const creator = creatorOf(schedule);
  const attributes = { [attributeNames.organisation]: organisation, [attributeNames.subject]: creator.sub };
  return withSpan(spanNames.submit, { attributes }, async (span) => {
    const { runId } = await submit({
      documentJson: bindSchedule(schedule.document, { ...schedule, timeMs }, maxExpressionSteps),
      idempotencyKey: '',
      organisation,
      submittedBy: creator.sub,
      submitter: submitterText(creator),
      traceparent: currentTraceparent() ?? '',
      callerTraceparent: '',
      scheduleId: schedule.id,
      requireAccess: firing.requireAccess ?? ((needed) => decisions.require(creator, needed)),
      before,
    });
    span.setAttribute(attributeNames.runId, runId);
    return runId;
  });
}

export function creatorOf({ createdBy }: Pick<ScheduleRow, 'createdBy'>): Creator {
  return JSON.parse(createdBy) as Creator;
}

/** Somebody else fired for this time, or changed the schedule since it was read: there is nothing to do. */
export class Superseded extends CogmeshError {
  constructor() {
    super('conflict', 'the schedule was moved on by somebody else');
  }
}
