/** Decisions made for a service that acts on them but keeps no log of them: this is where they are logged. The gateway keeps its own. */
import type { DecisionLog, LoggedDecision } from '@cogmesh/enforcement';
import { ownerOf, resourcePath, type AccessRequest } from '@cogmesh/policy-core';
import type { CallContext } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import type { fromDecision } from './messages.js';

interface Answered {
  readonly access: AccessRequest;
  readonly answer: ReturnType<typeof fromDecision>;
}

/** Resolves when the decisions may be acted on. */
export async function logDecisions(log: DecisionLog, { caller }: CallContext, answered: readonly Answered[]) {
  if (caller.kind === 'service' && caller.service === 'gateway') return;
  await Promise.all(
    answered.map(({ access, answer }) => {
      const { subject, context } = access;
      return log.record({ subject, context }, [decisionOf(access, answer)]);
    }),
  );
}

function decisionOf({ subject, action, resource, owner }: AccessRequest, answer: Answered['answer']): LoggedDecision {
  return {
    action,
    resource: pathOf(resource),
    owner: ownerOf(resource) ?? owner ?? subject.organisation,
    allowed: answer.allowed ?? false,
    code: answer.code ?? '',
    reason: answer.reason ?? '',
    rules: answer.rules ?? [],
    epoch: Number(answer.epoch ?? 0n),
    grantId: answer.grantId ?? '',
    decisionId: answer.decisionId,
  };
}

/** What is no canonical name is logged as it was asked for. */
function pathOf(resource: AccessRequest['resource']): string {
  try {
    return resourcePath(resource);
  } catch (error) {
    if (!(error instanceof CogmeshError)) throw error;
    return `${resource.type}:${resource.id}`;
  }
}
