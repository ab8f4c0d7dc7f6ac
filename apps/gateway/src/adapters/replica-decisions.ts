/**
 * Decisions from this gateway's own copy of the policies, as fresh as `maxStalenessMs` allows: what only reads, what a list
 * shows, and what enforcement points outside ask; nothing of it waits for the network. What starts or changes something is asked of the
 * policy service itself, and so is what concerns an organisation whose policies are watched (a candidate is tried beside
 * them), and what takes a question to the registry or to an organisation's information source.
 */
import type { policyV1 } from '@cogmesh/contracts';
import {
  Judge,
  loggedAnswer,
  parseConsistencyToken,
  partiesOf,
  recordDecisions,
  requestFor,
  type DecisionCache,
  type DecisionLog,
  type JudgedRequest,
  type PolicyReplica,
} from '@cogmesh/enforcement';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { SpanKind, spanNames, withSpan } from '@cogmesh/telemetry';
import type { Decisions, Question } from '../operations/authority.js';
import type { CoApprovalCheck } from '../operations/co-approval.js';
import type { Obligations } from '../operations/obligations.js';
import { tellDecisions } from './policy-decisions.js';

export interface ReplicaDecisionsParts {
  readonly replica: Pick<PolicyReplica, 'engine' | 'revocations' | 'assertFresh' | 'atLeast' | 'isWatched'>;
  readonly remote: Decisions;
  readonly cache: DecisionCache;
  readonly obligations: Obligations;
  readonly log: DecisionLog;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Actions that start and change nothing. */
const reading: ReadonlySet<string> = new Set(['read', 'list']);

export class ReplicaDecisions implements Decisions {
  readonly #parts: ReplicaDecisionsParts;
  readonly #judge: Judge;
  readonly #coApproval: CoApprovalCheck | undefined;

  constructor(parts: ReplicaDecisionsParts, coApproval?: CoApprovalCheck) {
    this.#parts = parts;
    this.#judge = new Judge({ source: parts.replica, cache: parts.cache });
    this.#coApproval = coApproval;
  }

  withCoApproval(check: CoApprovalCheck): Decisions {
    return new ReplicaDecisions({ ...this.#parts, remote: this.#parts.remote.withCoApproval(check) }, check);
  }

  async decide(
    subject: OutsideSubject,
    rights: readonly Access[],
    signal: AbortSignal,
    consistencyToken = '',
  ): Promise<readonly policyV1.DecideResponse[]> {
    if (rights.some(({ action }) => !reading.has(action)))
      return this.#parts.remote.decide(subject, rights, signal, consistencyToken);
    return this.look(subject, rights, signal, consistencyToken);
  }

  async look(
    subject: OutsideSubject,
    rights: readonly Access[],
    signal: AbortSignal,
    consistencyToken = '',
  ): Promise<readonly policyV1.DecideResponse[]> {
    const { remote, now, obligations } = this.#parts;
    const nowMs = now();
    const asked = rights.map((right) => requestFor(subject, right, nowMs));
    if (asked.some((each) => this.#isForPolicy(each))) return remote.look(subject, rights, signal, consistencyToken);
    // What is shown again and again is one entry of the log with a count.
    const options = { alike: !rights.every(({ action }) => reading.has(action)) };
    return this.#answer(asked, { tokens: [consistencyToken], options }, (answer, i) =>
      obligations.met(answer, rights[i] as Access, this.#coApproval),
    );
  }

  async ask(questions: readonly Question[], signal: AbortSignal): Promise<readonly policyV1.DecideResponse[]> {
    const { remote, now } = this.#parts;
    const nowMs = now();
    const asked = questions.map((question) => ({ access: { ...question, nowMs }, who: question.subject }));
    if (asked.some((each) => this.#isForPolicy(each))) return remote.ask(questions, signal);
    const tokens = questions.map(({ consistencyToken = '' }) => consistencyToken);
    return this.#answer(asked, { tokens }, (answer) => answer);
  }

  explain(subject: OutsideSubject, right: Access, signal: AbortSignal): Promise<policyV1.ExplainResponse> {
    return this.#parts.remote.explain(subject, right, signal);
  }

  async #answer(
    asked: readonly JudgedRequest[],
    { tokens, options = {} }: { tokens: readonly string[]; options?: { readonly alike?: boolean } },
    enforced: (answer: policyV1.DecideResponse, index: number) => policyV1.DecideResponse,
  ): Promise<readonly policyV1.DecideResponse[]> {
    const { replica, log } = this.#parts;
    for (const token of new Set(tokens)) if (token !== '') await replica.atLeast(parseConsistencyToken(token));
    return withSpan(spanNames.decide, { kind: SpanKind.INTERNAL }, async (span) => {
      replica.assertFresh();
      const answers: policyV1.DecideResponse[] = [];
      const entries = asked.map((each, i) => {
        const { answer, logged } = this.#judge.judge(each);
        const given = enforced(answer, i);
        answers.push(given);
        const { subject, context } = each.access;
        return {
          subject,
          context,
          logged: given === answer ? logged : loggedAnswer({ ...each.access, answer: given }),
        };
      });
      await recordDecisions(log, entries, options);
      tellDecisions(span, { requests: asked.map(({ access }) => access), answers });
      return answers;
    });
  }

  #isForPolicy(request: JudgedRequest): boolean {
    const { replica } = this.#parts;
    if (partiesOf(request).some((organisation) => replica.isWatched(organisation))) return true;
    return replica.engine.informationFor(request.access) !== undefined;
  }
}
