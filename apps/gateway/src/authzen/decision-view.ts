/**
 * Decisions in the words of the Authorization API. A context tells the decision's id and what must be done; a refusal also
 * why, for an administrator. What went wrong with one evaluation is a refusal with `context.error`.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { errorClasses, type CogmeshError } from '@cogmesh/errors';

export interface DecisionView {
  readonly decision: boolean;
  readonly context: Readonly<Record<string, unknown>>;
}

export function decisionView(answer: policyV1.DecideResponse): DecisionView {
  const { allowed, decisionId, code, reason, obligations } = answer;
  const duties = obligations.length === 0 ? {} : { obligations: obligations.map(obligationView) };
  if (allowed) return { decision: true, context: { id: decisionId, ...duties } };
  const error = code === 'invalid_request' ? { error: { status: 400, message: reason } } : {};
  return { decision: false, context: { id: decisionId, code, reason_admin: { en: reason }, ...error, ...duties } };
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
