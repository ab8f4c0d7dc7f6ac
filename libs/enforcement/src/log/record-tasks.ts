/** Task grants -> entries of the log: per organisation whose work it is, what the agent was let do or refused. */
import type { AccessSubject } from '@cogmesh/policy-core';
import type { DecisionLog } from './decision-log.js';
import type { LoggedDecision } from './record.js';

export interface CheckedTask {
  /** Whose work it is. */
  readonly organisation: string;
  /** Path of the model or tool; the capability where it belongs to nobody. */
  readonly resource: string;
  readonly owner: string;
  readonly epoch: number;
}

export interface TaskOutcome {
  readonly allowed: boolean;
  readonly code: string;
  readonly reason: string;
}

/** Equal work of one organisation is counted. Resolves when the answer may be acted on; rejects as `DecisionLog.record`. */
export async function recordTasks(
  log: DecisionLog,
  agentId: string,
  tasks: readonly CheckedTask[],
  { allowed, code, reason }: TaskOutcome,
): Promise<void> {
  const byOrganisation = new Map<string, LoggedDecision[]>();
  for (const { organisation, resource, owner, epoch } of tasks) {
    const decision = { action: 'infer', resource, owner, allowed, code, reason, rules: [], epoch };
    const decisions = byOrganisation.get(organisation);
    if (decisions === undefined) byOrganisation.set(organisation, [decision]);
    else decisions.push(decision);
  }
  const waiting = [...byOrganisation].map(([organisation, decisions]) =>
    log.record({ subject: agentOf(agentId, organisation) }, decisions, { alike: true }),
  );
  await Promise.all(waiting);
}

/** The agent, working for the organisation. */
function agentOf(agentId: string, organisation: string): AccessSubject {
  return { issuer: 'cogmesh:task', sub: agentId, organisation, roles: [], attributes: {} };
}
