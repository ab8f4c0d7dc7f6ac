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
/** Contract: registry.proto. */
const schemasPerCall = 32;

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
  /** Input schemas by digest. */
  readonly #schemas = new Map<string, string>();

  constructor(client: Client<typeof registryV1.RegistryService>) {
    this.#client = client;
  }

  async list(): Promise<RoutableAgent[]> {
    // Every second: as spans these would bury every trace that matters.
    return untraced(async () => {
      const request = { includeGone: true, withoutSchemas: true };
      const { agents } = await this.#client.listAgents(request, { deadlineMs: listDeadlineMs });
      const capabilities = agents.flatMap((agent) => agent.capabilities);
      await this.#learn(new Set(capabilities.map(({ inputSchemaSha256 }) => inputSchemaSha256)));
      return agents.map((agent) => toRoutable(agent, this.#schemas));
    });
  }

  /** Asks for the schemas that it has not seen yet, and forgets those that nobody announces. */
  async #learn(digests: Set<string>): Promise<void> {
    digests.delete('');
    const missing = [...digests].filter((digest) => !this.#schemas.has(digest));
    for (let at = 0; at < missing.length; at += schemasPerCall) {
      const sha256 = missing.slice(at, at + schemasPerCall);
      const { schemas } = await this.#client.getInputSchemas({ sha256 }, { deadlineMs: listDeadlineMs });
      for (const { sha256: digest, json } of schemas) this.#schemas.set(digest, json);
    }
    for (const digest of this.#schemas.keys()) if (!digests.has(digest)) this.#schemas.delete(digest);
  }

  async cancelAttempts(agentId: string, attemptIds: readonly string[], reason: string): Promise<void> {
    const instruction = { action: { case: 'cancelAttempts' as const, value: { attemptIds: [...attemptIds], reason } } };
    const answer = await this.#client.instruct({ agentId, instruction, timeoutMs: instructTimeoutMs });
    if (!answer.acknowledged) throw new CogmeshError('failed_precondition', answer.message || 'the agent refused');
  }
}

function toRoutable(agent: registryV1.Agent, schemas: ReadonlyMap<string, string>): RoutableAgent {
  return {
    id: agent.id,
    organisation: agent.organisation,
    kind: agent.kind === registryV1.AgentKind.SDK ? 'sdk' : 'worker',
    state: states[agent.state],
    capabilities: agent.capabilities.map((capability) => toOffered(capability, schemas)),
    labels: agent.labels,
    latencyMs: agent.portrait?.latencyMs ?? 0,
    queued: agent.portrait?.queued ?? 0,
  };
}

function toOffered(
  { name, credits, ready, inputSchemaSha256 }: registryV1.Capability,
  schemas: ReadonlyMap<string, string>,
): OfferedCapability {
  const inputSchema = schemas.get(inputSchemaSha256);
  return { name, credits, ready, ...(inputSchema === undefined ? {} : { inputSchema }) };
}
