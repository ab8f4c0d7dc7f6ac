/**
 * Decisions from this gateway's own copy of the policies, as fresh as `maxStalenessMs` allows; nothing waits for the network.
 * What concerns an organisation whose policies are watched (a candidate is tried beside them) is asked of the policy
 * service itself, and so are explanations.
 */
import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import {
  accessReader,
  fromDecision,
  fromRevocation,
  parseConsistencyToken,
  recordAnswers,
  type DecisionLog,
  type PolicyReplica,
} from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { ownerOf, parseResourcePath, type AccessRequest } from '@cogmesh/policy-core';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { SpanKind, spanNames, withSpan } from '@cogmesh/telemetry';
import type { Decisions, Question } from '../operations/authority.js';
import type { CoApprovalCheck } from '../operations/co-approval.js';
import type { Obligations } from '../operations/obligations.js';
import { tellDecisions } from './policy-decisions.js';

export interface ReplicaDecisionsParts {
  readonly replica: Pick<PolicyReplica, 'engine' | 'revocations' | 'assertFresh' | 'atLeast' | 'isWatched'>;
  readonly remote: Decisions;
  readonly obligations: Obligations;
  readonly log: DecisionLog;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Asked {
  readonly access: AccessRequest;
  readonly tokenId: string;
}

export class ReplicaDecisions implements Decisions {
  readonly #parts: ReplicaDecisionsParts;
  readonly #coApproval: CoApprovalCheck | undefined;

  constructor(parts: ReplicaDecisionsParts, coApproval?: CoApprovalCheck) {
    this.#parts = parts;
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
    const { remote, now, obligations } = this.#parts;
    const nowMs = now();
    const asked = rights.map(({ action, resource }) => {
      return { access: { subject, action, resource: parseResourcePath(resource), nowMs }, tokenId: subject.tokenId };
    });
    if (asked.some(({ access }) => this.#isWatched(access)))
      return remote.decide(subject, rights, signal, consistencyToken);
    return this.#answer(asked, [consistencyToken], (answer, i) =>
      obligations.met(answer, rights[i] as Access, this.#coApproval),
    );
  }

  async ask(questions: readonly Question[], signal: AbortSignal): Promise<readonly policyV1.DecideResponse[]> {
    const { remote, now } = this.#parts;
    const read = accessReader(now());
    const asked = questions.map((question) => {
      return { access: read(question), tokenId: question.subject?.tokenId ?? '' };
    });
    if (asked.some(({ access }) => this.#isWatched(access))) return remote.ask(questions, signal);
    const tokens = questions.map(({ consistencyToken = '' }) => consistencyToken);
    return this.#answer(asked, tokens, (answer) => answer);
  }

  explain(subject: OutsideSubject, right: Access, signal: AbortSignal): Promise<policyV1.ExplainResponse> {
    return this.#parts.remote.explain(subject, right, signal);
  }

  async #answer(
    asked: readonly Asked[],
    tokens: readonly string[],
    enforced: (answer: policyV1.DecideResponse, index: number) => policyV1.DecideResponse,
  ): Promise<readonly policyV1.DecideResponse[]> {
    const { replica, log } = this.#parts;
    for (const token of new Set(tokens)) if (token !== '') await replica.atLeast(parseConsistencyToken(token));
    return withSpan(spanNames.decide, { kind: SpanKind.INTERNAL }, async (span) => {
      replica.assertFresh();
      const answered = asked.map((each, i) => ({ ...each.access, answer: enforced(this.#decide(each), i) }));
      await recordAnswers(log, answered);
      const answers = answered.map(({ answer }) => answer);
      tellDecisions(span, { requests: asked.map(({ access }) => access), answers });
      return answers;
    });
  }

  #decide({ access, tokenId }: Asked): policyV1.DecideResponse {
    const { revocations, engine } = this.#parts.replica;
    const revocation = revocations.find({ ...access.subject, tokenId }, access.nowMs);
    const answer = revocation === undefined ? fromDecision(engine.decide(access)) : fromRevocation(revocation);
    return create(policyV1.DecideResponseSchema, answer);
  }

  #isWatched({ subject, resource, owner = '' }: AccessRequest): boolean {
    const { replica } = this.#parts;
    if (replica.isWatched(subject.organisation)) return true;
    return replica.isWatched(nameOfOwner(resource) ?? owner);
  }
}

/** A name that is none is refused by the decision. */
function nameOfOwner(resource: AccessRequest['resource']): string | undefined {
  try {
    return ownerOf(resource);
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return undefined;
    throw thrown;
  }
}
