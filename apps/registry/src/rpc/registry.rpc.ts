/** Questions about agents, and instructions to them. Who may call is decided by the enforcement in front. */
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { isPresent, type AgentRecord, type AgentRoster } from '@cogmesh/registry-core';
import { implement } from '@cogmesh/rpc';
import type { SchemaShelf } from '../schemas/schema-shelf.js';
import type { AgentStreams } from '../streams/agent-streams.js';
import { toAgentMessage } from './agent-messages.js';

const DEFAULT_INSTRUCT_TIMEOUT_MS = 5_000;
const MAX_INSTRUCT_TIMEOUT_MS = 60_000;

/** Contract: registry.proto. */
const MAX_AGENTS_ASKED = 1_000;
const MAX_SCHEMAS_ASKED = 32;

export interface RegistryRpcOptions {
  readonly roster: AgentRoster;
  readonly schemas: Pick<SchemaShelf, 'text'>;
  readonly streams: AgentStreams;
}

export const registryRpc = ({ roster, schemas, streams }: RegistryRpcOptions) =>
  implement(registryV1.RegistryService, {
    listAgents: async ({ organisation, includeGone, withoutSchemas, agentIds }) => {
      if (agentIds.length > MAX_AGENTS_ASKED)
        throw new CogmeshError('invalid_argument', `at most ${MAX_AGENTS_ASKED} agents are asked for by id`);
      const all = roster.list({ includeGone, ...(organisation === '' ? {} : { organisation }) });
      const wanted = new Set(agentIds);
      const agents = wanted.size === 0 ? all : all.filter(({ id }) => wanted.has(id));
      const schemaOf = (digest: string) => (withoutSchemas ? '' : schemas.text(digest));
      return { agents: agents.map((agent) => toAgentMessage(agent, schemaOf)) };
    },
    getAgent: async ({ agentId }) => ({
      agent: toAgentMessage(known(roster, agentId), (digest) => schemas.text(digest)),
    }),
    getInputSchemas: async ({ sha256 }) => {
      if (sha256.length > MAX_SCHEMAS_ASKED)
        throw new CogmeshError('invalid_argument', `at most ${MAX_SCHEMAS_ASKED} schemas are answered at once`);
      const found = sha256.map((digest) => ({ sha256: digest, json: schemas.text(digest) }));
      return { schemas: found.filter(({ json }) => json !== '') };
    },
    instruct: async ({ agentId, instruction, timeoutMs }) => {
      const agent = known(roster, agentId);
      const action = instruction?.action;
      if (action?.case === undefined) throw new CogmeshError('invalid_argument', 'the instruction says nothing');
      if (!isPresent(agent.state)) {
        throw new CogmeshError('failed_precondition', `agent ${agentId} is ${agent.state}`, { state: agent.state });
      }
      const stream = streams.get(agentId);
      if (!stream) throw new CogmeshError('unavailable', `agent ${agentId} is not connected at the moment`);
      const waitMs = timeoutMs > 0 ? Math.min(timeoutMs, MAX_INSTRUCT_TIMEOUT_MS) : DEFAULT_INSTRUCT_TIMEOUT_MS;
      const { accepted, message } = await stream.instruct(action, waitMs);
      if (accepted && action.case === 'drain') roster.draining(agentId);
      return { acknowledged: accepted, message };
    },
  });

function known(roster: AgentRoster, agentId: string): AgentRecord {
  const agent = roster.get(agentId);
  if (!agent) throw new CogmeshError('not_found', `no agent ${agentId}`);
  return agent;
}
