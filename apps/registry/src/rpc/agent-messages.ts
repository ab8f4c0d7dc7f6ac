/** Agents and their parts between the wire and the core, in both directions. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { registryV1 } from '@cogmesh/contracts';
import type { AgentKind, AgentRecord, AgentState, Capability, Portrait } from '@cogmesh/registry-core';

const stateToWire: Readonly<Record<AgentState, registryV1.AgentState>> = {
  STARTING: registryV1.AgentState.STARTING,
  READY: registryV1.AgentState.READY,
  DRAINING: registryV1.AgentState.DRAINING,
  LOST: registryV1.AgentState.LOST,
  GONE: registryV1.AgentState.GONE,
};

const kindToWire: Readonly<Record<AgentKind, registryV1.AgentKind>> = {
  worker: registryV1.AgentKind.WORKER,
  sdk: registryV1.AgentKind.SDK,
};

const boundToWire = {
  unspecified: registryV1.Bound.UNSPECIFIED,
  io: registryV1.Bound.IO,
  cpu: registryV1.Bound.CPU,
} as const;

const boundFromWire: Readonly<Record<registryV1.Bound, 'io' | 'cpu' | undefined>> = {
  [registryV1.Bound.UNSPECIFIED]: undefined,
  [registryV1.Bound.IO]: 'io',
  [registryV1.Bound.CPU]: 'cpu',
};

/** `schemaOf`: the text of an input schema by its digest, where the reader wants it. */
export function toAgentMessage(record: AgentRecord, schemaOf: (digest: string) => string): registryV1.Agent {
  const { portrait } = record;
  return create(registryV1.AgentSchema, {
    id: record.id,
    name: record.name,
    organisation: record.organisation,
    kind: kindToWire[record.kind],
    state: stateToWire[record.state],
    capabilities: record.capabilities.map((capability) => toCapabilityMessage(capability, schemaOf)),
    connectedAt: timestampFromMs(record.connectedAtMs),
    lastHeartbeatAt: timestampFromMs(record.lastHeartbeatAtMs),
    labels: { ...record.labels },
    address: record.address,
    ...(portrait ? { portrait: toPortraitMessage(portrait) } : {}),
  });
}

function toCapabilityMessage(
  { growth, inputSchemaSha256 = '', ...rest }: Capability,
  schemaOf: (digest: string) => string,
): MessageInitShape<typeof registryV1.CapabilitySchema> {
  const message = { ...rest, inputSchemaSha256, inputSchemaJson: schemaOf(inputSchemaSha256) };
  if (growth === undefined) return message;
  const { minCredits, maxCredits, bound } = growth;
  return { ...message, minCredits, maxCredits, bound: boundToWire[bound ?? 'unspecified'] };
}

function toPortraitMessage(portrait: Portrait): MessageInitShape<typeof registryV1.PortraitSchema> {
  const { timeMs, memoryBytes, warmModels, providers, completed = 0, ...numbers } = portrait;
  return {
    ...numbers,
    time: timestampFromMs(timeMs),
    memoryBytes: BigInt(Math.max(0, Math.trunc(memoryBytes))),
    completed: BigInt(Math.max(0, Math.trunc(completed))),
    warmModels: [...warmModels],
    providers: [...providers],
  };
}

export function toCapability(capability: registryV1.Capability): Capability {
  const { name, credits, ready, metadataJson, minCredits, maxCredits } = capability;
  const bound = boundFromWire[capability.bound];
  const growth = maxCredits > 0 ? { growth: { minCredits, maxCredits, bound } } : {};
  return { name, credits, ready, metadataJson, ...growth };
}

/** `receivedMs` stands in where the agent gave no time. */
export function toPortrait(portrait: registryV1.Portrait | undefined, receivedMs: number): Portrait | undefined {
  if (portrait === undefined) return undefined;
  return {
    timeMs: portrait.time ? timestampDate(portrait.time).getTime() : receivedMs,
    cpu: portrait.cpu,
    gpu: portrait.gpu,
    hostCpu: portrait.hostCpu,
    meanRunning: portrait.meanRunning,
    completed: Number(portrait.completed),
    memoryBytes: Number(portrait.memoryBytes),
    queued: portrait.queued,
    running: portrait.running,
    latencyMs: portrait.latencyMs,
    warmModels: portrait.warmModels,
    providers: portrait.providers,
  };
}
