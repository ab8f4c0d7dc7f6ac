/** Decisions made for a service that acts on them but keeps no log of them: this is where they are logged. The gateway keeps its own. */
import { recordAnswers, type DecisionLog, type fromDecision } from '@cogmesh/enforcement';
import type { AccessRequest } from '@cogmesh/policy-core';
import type { CallContext } from '@cogmesh/rpc';

interface Answered {
  readonly access: AccessRequest;
  readonly answer: ReturnType<typeof fromDecision>;
}

/** Resolves when the decisions may be acted on. */
export async function logDecisions(log: DecisionLog, { caller }: CallContext, answered: readonly Answered[]) {
  if (caller.kind === 'service' && caller.service === 'gateway') return;
  await recordAnswers(
    log,
    answered.map(({ access, answer }) => ({ ...access, answer })),
  );
}
