/** The answers that the gateway acts on, or tells, into its decision log. */
import { recordAnswers, type DecisionLog } from '@cogmesh/enforcement';
import type { policyV1 } from '@cogmesh/contracts';
import type { Question } from '../operations/authority.js';

/** Resolves when the answers may be acted on. `unavailable` when they cannot be kept. */
export async function logDecisions(
  log: DecisionLog,
  questions: readonly Question[],
  answers: readonly policyV1.DecideResponse[],
): Promise<void> {
  const answered = questions.flatMap((question, i) => {
    const answer = answers[i];
    return answer === undefined ? [] : [{ ...question, answer }];
  });
  await recordAnswers(log, answered);
}
