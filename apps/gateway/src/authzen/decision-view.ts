/**
 * Decisions in the words of the Authorization API. A context tells the decision's id and what must be done; a refusal also
 * why, for an administrator. What went wrong with one evaluation is a refusal with `context.error`. Every decision has an id of
 * its own, so an answer that has to be the same whenever the same is asked tells none.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { errorClasses, type CogmeshError } from '@cogmesh/errors';

export interface DecisionView {
  readonly decision: boolean;
  readonly context?: Readonly<Record<string, unknown>>;
}

export function decisionView(answer: policyV1.DecideResponse, withId = true): DecisionView {
  const { allowed, decisionId, code, reason, obligations } = answer;
  const id = withId ? { id: decisionId } : {};
  const duties = obligations.length === 0 ? {} : { obligations: obligations.map(obligationView) };
  if (!allowed) {
    const error = code === 'invalid_request' ? { error: { status: 400, message: reason } } : {};
    return { decision: false, context: { ...id, code, reason_admin: { en: reason }, ...error, ...duties } };
  }
  if (!withId && obligations.length === 0) return { decision: true };
  return { decision: true, context: { ...id, ...duties } };
}

export function errorView(error: CogmeshError): DecisionView {
  const { message, code } = error;
  return { decision: false, context: { code, error: { status: errorClasses[code].http, message } } };
}

function obligationView({ id, type, propertiesJson }: policyV1.Obligation) {
  return {
    id,
    ...(type === '' ? {} : { type }),
    ...(propertiesJson === '' ? {} : { properties: JSON.parse(propertiesJson) as unknown }),
  };
}
