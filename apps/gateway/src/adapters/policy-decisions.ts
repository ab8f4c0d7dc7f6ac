/**
 * Decisions of the policy service over gRPC, as the gateway. Whatever keeps an answer away is `unavailable`, so that no
 * caller ever passes because nobody could be asked, and none is told "unauthenticated" for a fault between services.
 */
import type { policyV1 } from '@cogmesh/contracts';
import type { DecisionLog } from '@cogmesh/enforcement';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { attributeNames, SpanKind, spanNames, withSpan, type Span } from '@cogmesh/telemetry';
import type { Decisions, Question } from '../operations/authority.js';
import type { CoApprovalCheck } from '../operations/co-approval.js';
import type { Obligations } from '../operations/obligations.js';
import type { PolicyClient } from '../operations/ports.js';
import { questionMessages, subjectMessage } from '../operations/question-message.js';
import { entityOf } from '../operations/right.js';
import { logDecisions } from './log-decisions.js';

/** DecideMany's own limit. */
const requestsPerCall = 1_000;
const decideDeadlineMs = 5_000;

export class PolicyDecisions implements Decisions {
  readonly #policy: PolicyClient;
  readonly #obligations: Obligations;
  readonly #log: DecisionLog;

  readonly #coApproval: CoApprovalCheck | undefined;

  constructor(policy: PolicyClient, obligations: Obligations, log: DecisionLog, coApproval?: CoApprovalCheck) {
    this.#policy = policy;
    this.#obligations = obligations;
    this.#log = log;
    this.#coApproval = coApproval;
  }

  withCoApproval(check: CoApprovalCheck): Decisions {
    return new PolicyDecisions(this.#policy, this.#obligations, this.#log, check);
  }

  async decide(
    subject: OutsideSubject,
    rights: readonly Access[],
    signal: AbortSignal,
    consistencyToken = '',
  ): Promise<readonly policyV1.DecideResponse[]> {
    const requests = rights.map(({ action, resource }) => ({
      subject,
      action,
      resource: entityOf(resource),
      consistencyToken,
    }));
    const answers: policyV1.DecideResponse[] = [];
    for (let at = 0; at < requests.length; at += requestsPerCall) {
      answers.push(...(await this.#decideMany(requests.slice(at, at + requestsPerCall), signal)));
    }
    const met = answers.map((answer, i) => this.#obligations.met(answer, rights[i] as Access, this.#coApproval));
    await logDecisions(this.#log, requests, met);
    return met;
  }

  look(...asked: Parameters<Decisions['look']>): Promise<readonly policyV1.DecideResponse[]> {
    return this.decide(...asked);
  }

  explain(subject: OutsideSubject, right: Access, signal: AbortSignal): Promise<policyV1.ExplainResponse> {
    return reached(() =>
      this.#policy.explain({ request: decideRequest(subject, right) }, { signal, deadlineMs: decideDeadlineMs }),
    );
  }

  async ask(questions: readonly Question[], signal: AbortSignal): Promise<readonly policyV1.DecideResponse[]> {
    const answers = await this.#decideMany(questions, signal);
    await logDecisions(this.#log, questions, answers);
    return answers;
  }

  #decideMany(requests: readonly Question[], signal: AbortSignal): Promise<readonly policyV1.DecideResponse[]> {
    return withSpan(spanNames.decide, { kind: SpanKind.INTERNAL }, async (span) => {
      const { responses } = await reached(() =>
        this.#policy.decideMany(withSharedSubject(questionMessages(requests)), {
          signal,
          deadlineMs: decideDeadlineMs,
        }),
      );
      if (responses.length !== requests.length) {
        throw new CogmeshError('unavailable', 'policy answered another number of questions than it was asked');
      }
      tellDecisions(span, { requests, answers: responses });
      return responses;
    });
  }
}

interface Told {
  readonly requests: readonly Pick<Question, 'action' | 'resource'>[];
  readonly answers: readonly policyV1.DecideResponse[];
}

/** Decisions whose ids, actions and resources a span tells. */
const toldMax = 100;

/** What a span says of the decisions made in it. */
export function tellDecisions(span: Span, { requests, answers }: Told): void {
  if (!span.isRecording()) return;
  const decisive = answers.find(({ allowed }) => !allowed) ?? answers[0];
  span.setAttributes({
    [attributeNames.decisionAllowed]: answers.every(({ allowed }) => allowed),
    [attributeNames.decisionId]: answers.slice(0, toldMax).map(({ decisionId }) => decisionId),
    [attributeNames.decisionCode]: decisive?.code ?? '',
    [attributeNames.policyEpoch]: Number(decisive?.epoch ?? 0n),
    [attributeNames.action]: requests.slice(0, toldMax).map(({ action }) => action),
    [attributeNames.resource]: requests.slice(0, toldMax).map(({ resource }) => `${resource.type}:${resource.id}`),
  });
}

function decideRequest(subject: OutsideSubject, { action, resource }: Access) {
  return { subject: subjectMessage(subject), action, resource: entityOf(resource) };
}

/** Most questions of one call are about one subject, which then travels once. */
function withSharedSubject(requests: ReturnType<typeof questionMessages>) {
  const subject = requests[0]?.subject;
  if (subject === undefined || requests.some((request) => request.subject !== subject)) return { requests };
  return { subject, requests: requests.map(({ subject: _shared, ...request }) => request) };
}

/** Faults of the question itself, which the caller can mend. */
const callersFaults = new Set(['invalid_argument', 'stale_policy', 'cancelled']);

async function reached<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (thrown) {
    const error = toCogmeshError(thrown);
    if (callersFaults.has(error.code)) throw error;
    throw new CogmeshError(
      'unavailable',
      'the policy service cannot be asked now; nothing is allowed without it',
      { retryAfterSeconds: 1 },
      { cause: thrown },
    );
  }
}
