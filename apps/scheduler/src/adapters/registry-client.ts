/** The registry as the scheduler sees it: the agents there are, and instructions to them. */
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { OfferedCapability, RoutableAgent } from '@cogmesh/routing-core';
import type { Client } from '@cogmesh/rpc';
import { untraced } from '@cogmesh/telemetry';
import type { AgentSource } from '../engine/agent-directory.js';
import type { AgentInstructions } from '../engine/stop-attempts.js';

/** Longest wait for the registry, milliseconds; its answer is a look-up in memory. */
const listDeadlineMs = 2_000;
const instructTimeoutMs = 5_000;

const states: Readonly<Record<registryV1.AgentState, RoutableAgent['state']>> = {
  [registryV1.AgentState.UNSPECIFIED]: 'STARTING',
  [registryV1.AgentState.STARTING]: 'STARTING',
  [registryV1.AgentState.READY]: 'READY',
  [registryV1.AgentState.DRAINING]: 'DRAINING',
  [registryV1.AgentState.LOST]: 'LOST',
  [registryV1.AgentState.GONE]: 'GONE',
};

export class RegistryClient implements AgentSource, AgentInstructions {
  readonly #client: Client<typeof registryV1.RegistryService>;

  constructor(client: Client<typeof registryV1.RegistryService>) {
    this.#client = client;
  }

  async list(): Promise<RoutableAgent[]> {
    // Every second: as spans these would bury every trace that matters.
    const { agents } = await untraced(() =>
      this.#client.listAgents({ includeGone: true }, { deadlineMs: listDeadlineMs }),
    );
    return agents.map(toRoutable);
  }

  async cancelAttempts(agentId: string, attemptIds: readonly string[], reason: string): Promise<void> {
    const instruction = { action: { case: 'cancelAttempts' as const, value: { attemptIds: [...attemptIds], reason } } };
    const answer = await this.#client.instruct({ agentId, instruction, timeoutMs: instructTimeoutMs });
    if (!answer.acknowledged) throw new CogmeshError('failed_precondition', answer.message || 'the agent refused');
  }
}

function toRoutable(agent: registryV1.Agent): RoutableAgent {
  return {
    id: agent.id,
    organisation: agent.organisation,
    kind: agent.kind === registryV1.AgentKind.SDK ? 'sdk' : 'worker',
    state: states[agent.state],
    capabilities: agent.capabilities.map(toOffered),
    labels: agent.labels,
    latencyMs: agent.portrait?.latencyMs ?? 0,
    queued: agent.portrait?.queued ?? 0,
  };
}

const toOffered = ({ name, credits, ready }: registryV1.Capability): OfferedCapability => ({ name, credits, ready });
