/** Answers of the decision point -> entries of the log, at whoever acts on them: the gateway, or the decision point for callers without a log. */
import { CogmeshError } from '@cogmesh/errors';
import { ownerOf, resourcePath, type AccessSubject, type Resource } from '@cogmesh/policy-core';
import type { DecisionLog } from './decision-log.js';
import type { LoggedDecision } from './record.js';

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

/** Resolves when the answers may be acted on; rejects as `DecisionLog.record`, and `options` are its. */
export async function recordAnswers(
  log: DecisionLog,
  answered: readonly AnsweredQuestion[],
  options?: Parameters<DecisionLog['record']>[2],
): Promise<void> {
  const waiting: Promise<void>[] = [];
  for (let from = 0, to = 0; from < answered.length; from = to) {
    const { subject, context } = answered[from]!;
    while (answered[to]?.subject === subject && answered[to]?.context === context) to += 1;
    const kept = log.record({ subject, context }, answered.slice(from, to).map(decisionOf), options);
    if (kept !== undefined) waiting.push(kept);
  }
  if (waiting.length > 0) await Promise.all(waiting);
}

function decisionOf({ subject, action, resource, owner = '', answer }: AnsweredQuestion): LoggedDecision {
  const { allowed = false, code = '', reason = '', rules = [], epoch = 0n, grantId, decisionId } = answer;
  return {
    action,
    resource: nameOf(resource),
    owner: ownerOf(resource) ?? (owner === '' ? subject.organisation : owner),
    ...{ allowed, code, reason, rules, epoch: Number(epoch), grantId, decisionId },
  };
}

/** What is no canonical name is logged as it was asked for. */
function nameOf(resource: Resource): string {
  try {
    return resourcePath(resource);
  } catch (error) {
    if (!(error instanceof CogmeshError)) throw error;
    return `${resource.type}:${resource.id}`;
  }
}
