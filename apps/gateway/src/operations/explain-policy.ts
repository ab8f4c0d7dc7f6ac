/**
 * Why the caller would be allowed or denied. Needs no right, since somebody who is denied must be able to ask why; so it
 * answers for the caller alone, and of another organisation's rules it names only those that decided, without condition.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right, entityOf } from './right.js';

export interface ExplainPolicyInput {
  readonly action: string;
  /** Canonical path. */
  readonly resource: string;
}

export interface Explanation {
  readonly decision: policyV1.DecideResponse;
  readonly rules: readonly policyV1.RuleOutcome[];
}

type Ports = Pick<OperationPorts, 'decisions'>;

export function explainPolicy({ decisions }: Ports): Operation<ExplainPolicyInput, Explanation> {
  return async ({ subject, input, signal }) => {
    if (!/^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/.test(input.action))
      throw new CogmeshError('invalid_argument', `"${input.action}" is not an action`);
    entityOf(input.resource);
    const { decision, rules } = await decisions.explain(subject, right(input.action, input.resource), signal);
    if (decision === undefined)
      throw new CogmeshError('unavailable', 'policy gave no decision', { retryAfterSeconds: 1 });
    const decided = new Set(decision.rules);
    return {
      decision,
      rules: rules
        .filter((rule) => rule.organisation === subject.organisation || decided.has(rule.ruleId))
        .map((rule) => (rule.organisation === subject.organisation ? rule : { ...rule, condition: '' })),
    };
  };
}
