/**
 * Task grants -> entries of the log. What an agent was let do stands there for the agent, by organisation whose work it is; what was refused,
 * for whoever submitted it, where that is known.
 */
import type { AccessSubject } from '@cogmesh/policy-core';
import type { TaskVerdict } from '../task-rights.js';
import type { DecisionLog } from './decision-log.js';
import type { LoggedDecision } from './record.js';

/** Equal work is counted. Resolves when the answer may be acted on; rejects as `DecisionLog.record`. */
export async function recordTasks(log: DecisionLog, agentId: string, verdicts: readonly TaskVerdict[]): Promise<void> {
  const bySubject = new Map<string, { readonly subject: AccessSubject; readonly decisions: LoggedDecision[] }>();
  for (const { attempt, subject, decision } of verdicts) {
    const key = subject === undefined ? attempt.organisation : JSON.stringify(subject);
    const known = bySubject.get(key);
    if (known === undefined)
      bySubject.set(key, { subject: subject ?? agentOf(agentId, attempt.organisation), decisions: [decision] });
    else known.decisions.push(decision);
  }
  await Promise.all(
    [...bySubject.values()].map(({ subject, decisions }) => log.record({ subject }, decisions, { alike: true })),
  );
}

/** The agent, working for the organisation. */
function agentOf(agentId: string, organisation: string): AccessSubject {
  return { issuer: 'cogmesh:task', sub: agentId, organisation, roles: [], attributes: {} };
}
