/** Answers of the decision point -> entries of the log, at whoever acts on them: the gateway, or the decision point for callers without a log. */
import { ownerOf, type AccessSubject, type Resource } from '@cogmesh/policy-core';
import { loggedName } from '../verdict.js';
import type { DecisionLog } from './decision-log.js';
import type { LoggedDecision, LoggedQuestion } from './record.js';

export interface AnsweredQuestion {
  /** Questions with the same subject and context object go into one record. */
  readonly subject: AccessSubject;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  readonly action: string;
  readonly resource: Resource;
  /** As asked; empty for the subject's own organisation. */
  readonly owner?: string | undefined;
  /** The answer, with the field names of DecideResponse. */
  readonly answer: {
    readonly allowed?: boolean | undefined;
    readonly code?: string | undefined;
    readonly reason?: string | undefined;
    readonly rules?: readonly string[] | undefined;
    readonly epoch?: bigint | undefined;
    readonly grantId?: string | undefined;
    readonly decisionId?: string | undefined;
  };
}

/** One entry, and the question it answers; those with the same subject and context object go into one record. */
export interface AskedDecision extends LoggedQuestion {
  readonly logged: LoggedDecision;
}

type RecordOptions = Parameters<DecisionLog['record']>[2];

/** Resolves when the answers may be acted on; rejects as `DecisionLog.record`, and `options` are its. */
export function recordAnswers(
  log: DecisionLog,
  answered: readonly AnsweredQuestion[],
  options?: RecordOptions,
): Promise<void> {
  const asked = answered.map((each) => ({ subject: each.subject, context: each.context, logged: loggedAnswer(each) }));
  return recordDecisions(log, asked, options);
}

/** As `recordAnswers`, for entries that are there already. */
export async function recordDecisions(
  log: DecisionLog,
  asked: readonly AskedDecision[],
  options?: RecordOptions,
): Promise<void> {
  const waiting: Promise<void>[] = [];
  for (let from = 0, to = 0; from < asked.length; from = to) {
    const { subject, context } = asked[from]!;
    const entries: LoggedDecision[] = [];
    for (; asked[to]?.subject === subject && asked[to]?.context === context; to += 1) entries.push(asked[to]!.logged);
    const kept = log.record({ subject, context }, entries, options);
    if (kept !== undefined) waiting.push(kept);
  }
  if (waiting.length > 0) await Promise.all(waiting);
}

/** The entry of an answer. */
export function loggedAnswer({ subject, action, resource, owner = '', answer }: AnsweredQuestion): LoggedDecision {
  const { allowed = false, code = '', reason = '', rules = [], epoch = 0n, grantId, decisionId } = answer;
  return {
    action,
    resource: loggedName(resource),
    owner: ownerOf(resource) ?? (owner === '' ? subject.organisation : owner),
    ...{ allowed, code, reason, rules, epoch: Number(epoch), grantId, decisionId },
  };
}
