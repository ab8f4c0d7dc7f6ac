/** Messages of policy.proto from the words of policy-core that only this service answers. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import type { RuleOutcome } from '@cogmesh/policy-core';

const outcomes = {
  matched: policyV1.RuleOutcome_Outcome.MATCHED,
  skipped: policyV1.RuleOutcome_Outcome.SKIPPED,
  failed: policyV1.RuleOutcome_Outcome.FAILED,
} as const;

export function fromOutcome(rule: RuleOutcome): MessageInitShape<typeof policyV1.RuleOutcomeSchema> {
  return { ...rule, outcome: outcomes[rule.outcome] };
}
