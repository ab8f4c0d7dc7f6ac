/** The registry and the gateway's blob service, faked by contract on real gRPC servers. */
import { gatewayV1, registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, serveRpc, type RpcServer } from '@cogmesh/rpc';
import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';

export type AgentInit = MessageInitShape<typeof registryV1.AgentSchema>;

export interface FakeRegistry {
  readonly address: string;
  readonly agents: Map<string, AgentInit>;
  /** Attempts that agents were told to stop. */
  readonly stopped: string[];
  readonly server: RpcServer;
}

export function readyAgent(
  id: string,
  capabilities: Readonly<Record<string, number>>,
  extra: Partial<AgentInit> = {},
): AgentInit {
  return {
    id,
    name: id,
    organisation: 'acme',
    kind: registryV1.AgentKind.WORKER,
    state: registryV1.AgentState.READY,
    capabilities: Object.entries(capabilities).map(([name, credits]) => ({ name, credits, ready: true })),
    ...extra,
  } as AgentInit;
}

const schemaOf = ({ inputSchemaJson = '' }: { readonly inputSchemaJson?: string }): string => inputSchemaJson;
const digestOf = (json: string): string => (json === '' ? '' : createHash('sha256').update(json).digest('hex'));

/** As the registry lists agents for the scheduler. */
function withDigests({ capabilities = [], ...agent }: AgentInit): AgentInit {
  const without = capabilities.map((each) => ({
    ...each,
    inputSchemaJson: '',
    inputSchemaSha256: digestOf(schemaOf(each)),
  }));
  return { ...agent, capabilities: without } as AgentInit;
}

export async function startRegistry(address: string): Promise<FakeRegistry> {
  const agents = new Map<string, AgentInit>();
  const stopped: string[] = [];
  const binding = implement(registryV1.RegistryService, {
    listAgents: () => Promise.resolve({ agents: [...agents.values()].map(withDigests) }),
    getInputSchemas: ({ sha256 }) => {
      const texts = [...agents.values()].flatMap(({ capabilities = [] }) => capabilities.map(schemaOf));
      const schemas = texts.map((json) => ({ json, sha256: digestOf(json) }));
      return Promise.resolve({ schemas: schemas.filter((schema) => sha256.includes(schema.sha256)) });
    },
    getAgent: ({ agentId }) => {
      const agent = agents.get(agentId);
      return agent ? Promise.resolve({ agent }) : Promise.reject(new CogmeshError('not_found', 'no such agent'));
    },
    instruct: ({ instruction }) => {
      if (instruction?.action.case === 'cancelAttempts') stopped.push(...instruction.action.value.attemptIds);
      return Promise.resolve({ acknowledged: true });
    },
  });
  const server = await serveRpc({ address, services: [binding] });
  return { address: server.address, agents, stopped, server };
}

export interface FakeBlobs {
  readonly address: string;
  readonly stored: Map<string, { organisation: string; text: string }>;
  readonly server: RpcServer;
}

export async function startBlobs(address: string): Promise<FakeBlobs> {
  const stored: FakeBlobs['stored'] = new Map();
  const binding = implement(gatewayV1.BlobService, {
    fetch: async function* ({ blobId, organisation }) {
      const blob = stored.get(blobId);
      if (!blob || blob.organisation !== organisation)
        throw new CogmeshError('not_found', `there is no blob ${blobId}`);
      const content = Buffer.from(blob.text);
      yield {
        part: {
          case: 'blob' as const,
          value: { id: blobId, mediaType: 'application/json', bytes: BigInt(content.length) },
        },
      };
      for (let at = 0; at < content.length; at += 65_536) {
        yield { part: { case: 'chunk' as const, value: new Uint8Array(content.subarray(at, at + 65_536)) } };
      }
    },
    store: async (parts) => {
      let organisation = '';
      const chunks: Uint8Array[] = [];
      for await (const { part } of parts) {
        if (part.case === 'header') organisation = part.value.organisation;
        if (part.case === 'chunk') chunks.push(part.value);
      }
      const content = Buffer.concat(chunks);
      const id = `blob_${String(stored.size).padStart(26, '0')}`;
      stored.set(id, { organisation, text: content.toString('utf8') });
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { blob: { id, mediaType: 'application/json', bytes: BigInt(content.length), sha256 } };
    },
  });
  const server = await serveRpc({ address, services: [binding] });
  return { address: server.address, stored, server };
}
