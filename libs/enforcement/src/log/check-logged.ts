/** A check of rights whose outcome is in the decision log before anybody acts on it. */
import { CogmeshError } from '@cogmesh/errors';
import type { AccessAnswer, AccessCheck, AccessQuestion } from '../access-check.js';
import type { DecisionLog } from './decision-log.js';
import type { LoggedDecision } from './record.js';

export interface LoggedCheck {
  readonly access: Pick<AccessCheck, 'check'>;
  /** Without one nothing is logged. */
  readonly log?: DecisionLog | undefined;
  /** What else has to hold; throws when it does not. */
  readonly also?: () => void;
}

/** Answers and throws as `AccessCheck.check`; a promise only where the log has to be waited for, `unavailable` when it does not take it. */
export function checkLogged(
  { access, log, also }: LoggedCheck,
  question: AccessQuestion,
): AccessAnswer | Promise<AccessAnswer> {
  const decided: LoggedDecision[] = [];
  const onDecision = log && ((decision: LoggedDecision) => void decided.push(decision));
  let answer: AccessAnswer;
  try {
    answer = access.check({ ...question, onDecision });
    also?.();
  } catch (error) {
    const kept = log?.record(question, refusedAs(error, question, decided));
    if (kept === undefined) throw error;
    return kept.then(() => {
      throw error;
    });
  }
  const kept = log?.record(question, decided);
  return kept === undefined ? answer : kept.then(() => answer);
}

/**
 * As `checkLogged`, for what was let in and logged before: only a refusal is new. It is thrown at once, since nothing goes on
 * that would have to wait.
 */
export function checkAgain({ access, log }: LoggedCheck, question: AccessQuestion): void {
  const decided: LoggedDecision[] = [];
  try {
    access.check({ ...question, onDecision: (decision) => void decided.push(decision) });
  } catch (error) {
    const refused = refusedAs(error, question, decided).filter(({ allowed }) => !allowed);
    log?.record(question, refused)?.catch(() => undefined);
    throw error;
  }
}

/** What was refused for another reason than policy: a permit that was used, or somebody whose rights were revoked. */
function refusedAs(
  error: unknown,
  { subject, access }: AccessQuestion,
  decided: readonly LoggedDecision[],
): readonly LoggedDecision[] {
  if (!(error instanceof CogmeshError)) return decided;
  const refusal = { allowed: false, code: error.code, reason: error.message, cached: false };
  if (error.code === 'replayed_permit') return decided.map((decision) => ({ ...decision, ...refusal }));
  if (error.code !== 'revoked') return decided;
  return access.map((right) => ({ ...right, owner: subject.organisation, rules: [], epoch: 0, ...refusal }));
}
