/**
 * The question every use case asks first. A right is granted for all asked or not at all; whatever goes wrong while
 * asking is a refusal (`unavailable`), never a yes. What it grants is the material of a permit, and dies with the call.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import type { CoApprovalCheck } from './co-approval.js';

/** What a decision is about, with everything that conditions may read. */
export interface Question {
  readonly subject: OutsideSubject;
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** Questions of one call that share a subject or a context object are told so by its identity. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly resourceAttributes?: Readonly<Record<string, unknown>>;
  /** Of a write that the decision must have seen; none when absent or empty. */
  readonly consistencyToken?: string;
}

/** The policy service, as the use cases need it. Rejects with `unavailable` or `stale_policy` when it cannot answer. */
export interface Decisions {
  /** The same, for a request that can show a co-approval where one is obliged. */
  withCoApproval(check: CoApprovalCheck): Decisions;
  /** One answer per right, in order. A right whose obligations cannot be met here is refused. */
  decide(
    subject: OutsideSubject,
    rights: readonly Access[],
    signal: AbortSignal,
    consistencyToken?: string,
  ): Promise<readonly policyV1.DecideResponse[]>;
  /** As `decide`, of rights on which nothing is done: what is shown depends on them. */
  look(
    subject: OutsideSubject,
    rights: readonly Access[],
    signal: AbortSignal,
    consistencyToken?: string,
  ): Promise<readonly policyV1.DecideResponse[]>;
  /** The answers as the policy service gives them, one per question, in order, from one call; for whoever enforces them. */
  ask(questions: readonly Question[], signal: AbortSignal): Promise<readonly policyV1.DecideResponse[]>;
  explain(subject: OutsideSubject, right: Access, signal: AbortSignal): Promise<policyV1.ExplainResponse>;
}

/** Rights that were allowed, for one subject. */
export interface Permission {
  readonly subject: OutsideSubject;
  readonly access: readonly Access[];
  /** Partner grants the rights rest on. */
  readonly grants: readonly string[];
  readonly decisionIds: readonly string[];
  /** Types of the obligations that came with the decisions; all of them are met. */
  readonly met?: readonly string[];
  /** Of a write that the enforcement point must have seen too. */
  readonly consistencyToken?: string;
}

interface Asker {
  readonly subject: OutsideSubject;
  readonly signal: AbortSignal;
  readonly consistencyToken?: string | undefined;
}

/** Rejects with `permission_denied` and every refusal's reason, rules and decision id unless all rights are allowed. */
export async function authorise(decisions: Decisions, asker: Asker, rights: readonly Access[]): Promise<Permission> {
  const answers = await decisions.decide(asker.subject, rights, asker.signal, asker.consistencyToken);
  const refusals = rights.flatMap((right, i) => {
    const answer = answers[i];
    return answer?.allowed === true ? [] : [{ right, answer }];
  });
  const [first] = refusals;
  if (first !== undefined) throw refusal(asker.subject, first.right, refusals);
  return {
    subject: asker.subject,
    access: rights.map((right, i) => informedRight(right, answers[i])),
    grants: [...new Set(answers.map((answer) => answer.grantId).filter((id) => id !== ''))],
    decisionIds: answers.map((answer) => answer.decisionId),
    ...metOf(answers),
    ...(asker.consistencyToken === undefined ? {} : { consistencyToken: asker.consistencyToken }),
  };
}

/** Time from the decision to the enforcement point, in which what was asked still counts there, milliseconds. */
const handoverMs = 5_000;

/** The enforcement point decides again, and asks nobody. */
function informedRight(right: Access, answer: policyV1.DecideResponse | undefined): Access {
  if (answer === undefined || answer.informedJson === '') return right;
  const attributes = JSON.parse(answer.informedJson) as Readonly<Record<string, unknown>>;
  return { ...right, informed: { attributes, untilMs: Number(answer.informedUntilMs) + handoverMs } };
}

function metOf(answers: readonly policyV1.DecideResponse[]): Pick<Permission, 'met'> {
  const met = new Set(answers.flatMap(({ obligations }) => obligations.map(({ id, type }) => type || id)));
  return met.size === 0 ? {} : { met: [...met] };
}

interface Refusal {
  readonly right: Access;
  readonly answer: policyV1.DecideResponse | undefined;
}

function refusal(subject: OutsideSubject, right: Access, refusals: readonly Refusal[]): CogmeshError {
  const stale = refusals.find(({ answer }) => answer === undefined || answer.code === 'stale_policy');
  if (stale !== undefined) {
    return new CogmeshError('stale_policy', 'policies are too old to decide on; try again shortly', {
      retryAfterSeconds: 2,
    });
  }
  const revoked = refusals.find(({ answer }) => answer?.code === 'revoked');
  if (revoked !== undefined) return new CogmeshError('revoked', revoked.answer?.reason ?? 'the subject is revoked');
  const denials = refusals.map(({ right: { action, resource }, answer }) => ({
    action,
    resource,
    reason: answer?.reason ?? '',
    policyCode: answer?.code ?? '',
    rules: answer?.rules ?? [],
    decisionId: answer?.decisionId ?? '',
  }));
  const reason = denials[0]?.reason ?? '';
  const who = `${subject.sub} of ${subject.organisation}`;
  return new CogmeshError('permission_denied', `${who} may not ${right.action} ${right.resource}: ${reason}`, {
    ...denials[0],
    denials,
  });
}
