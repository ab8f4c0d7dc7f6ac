/**
 * Decisions that somebody else enforces: the Authorization API's evaluations. However many there are, the policy service is
 * asked once, together with whether the asker may ask about others at all.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideSubject } from '@cogmesh/rpc';
import { Asker, askRight } from '../authzen/asker.js';
import type { Evaluation } from '../authzen/evaluation-request.js';
import { questioner } from '../authzen/question.js';
import type { Question } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { entityOf } from './right.js';

export interface EvaluateAccessInput {
  /** An error stands for an evaluation that could not be read, and comes back in its place. */
  readonly evaluations: readonly (Evaluation | CogmeshError)[];
}

/** One answer per evaluation, in order. */
export type AccessAnswer = policyV1.DecideResponse | CogmeshError;

type Ports = Pick<OperationPorts, 'decisions' | 'askers'>;

export function evaluateAccess(ports: Ports): Operation<EvaluateAccessInput, readonly AccessAnswer[]> {
  return async ({ subject, input: { evaluations }, signal, consistencyToken = '' }) => {
    const asker = new Asker(subject, ports.askers);
    const questions = evaluations.map(asking(asker));
    const readable = questions.filter((question): question is Question => !(question instanceof CogmeshError));
    if (readable.length === 0) return questions as CogmeshError[];
    const aboutOthers = evaluations.some((one) => !(one instanceof CogmeshError) && !asker.isItself(one.subject));
    const first = aboutOthers && !asker.isEnforcementPoint ? [rightToAsk(subject)] : [];
    const asked = [...first, ...readable];
    // One question that waits for the write makes all of the call wait.
    if (consistencyToken !== '') asked[0] = { ...asked[0]!, consistencyToken };
    const answers = await ports.decisions.ask(asked, signal);
    if (first.length > 0) assertMayAsk(answers[0]);
    let next = first.length;
    return questions.map((question) => (question instanceof CogmeshError ? question : answered(answers[next++])));
  };
}

export const rightToAsk = (subject: OutsideSubject): Question => ({
  subject,
  action: askRight.action,
  resource: entityOf(askRight.resource),
});

/** Rejects with `permission_denied` unless the asker may ask about others. */
export function assertMayAsk(answer: policyV1.DecideResponse | undefined): void {
  const { allowed, decisionId, reason } = answered(answer);
  if (allowed) return;
  const message = `only an enforcement point, or who may ${askRight.action} ${askRight.resource}, asks about others: ${reason}`;
  throw new CogmeshError('permission_denied', message, { ...askRight, decisionId });
}

function asking(asker: Asker): (evaluation: Evaluation | CogmeshError) => Question | CogmeshError {
  const question = questioner(asker);
  return (evaluation) => {
    if (evaluation instanceof CogmeshError) return evaluation;
    try {
      return question(evaluation);
    } catch (thrown) {
      if (thrown instanceof CogmeshError) return thrown;
      throw thrown;
    }
  };
}

/** No answer, or one from policies that are too old, is no decision. */
function answered(answer: policyV1.DecideResponse | undefined): policyV1.DecideResponse {
  if (answer !== undefined && answer.code !== 'stale_policy') return answer;
  throw new CogmeshError('stale_policy', 'policies are too old to decide on; try again shortly', {
    retryAfterSeconds: 2,
  });
}
