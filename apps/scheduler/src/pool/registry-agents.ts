/** The registry as the pool sees it: agents with their portraits, and the instruction that changes how much one takes. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Client } from '@cogmesh/rpc';
import { untraced } from '@cogmesh/telemetry';
import type { SeenAgent } from './agent-book.js';
import type { SlotInstructions } from './same-host-pool.js';

const listDeadlineMs = 2_000;
const instructTimeoutMs = 5_000;

const bounds: Readonly<Record<registryV1.Bound, 'io' | 'cpu' | undefined>> = {
  [registryV1.Bound.UNSPECIFIED]: undefined,
  [registryV1.Bound.IO]: 'io',
  [registryV1.Bound.CPU]: 'cpu',
};

export class RegistryAgents implements SlotInstructions {
  readonly #client: Client<typeof registryV1.RegistryService>;

  constructor(client: Client<typeof registryV1.RegistryService>) {
    this.#client = client;
  }

  /** Those that take work now. */
  async list(): Promise<SeenAgent[]> {
    const { agents } = await untraced(() => this.#client.listAgents({}, { deadlineMs: listDeadlineMs }));
    return agents.filter(({ state }) => state === registryV1.AgentState.READY).map(toSeen);
  }

  async setCredits(agentId: string, change: { capability: string; credits: number; reason: string }): Promise<void> {
    const instruction = { action: { case: 'setCredits' as const, value: change } };
    const answer = await this.#client.instruct({ agentId, instruction, timeoutMs: instructTimeoutMs });
    if (!answer.acknowledged) throw new CogmeshError('failed_precondition', answer.message || 'the agent refused');
  }
}

function toSeen({ id, capabilities, portrait }: registryV1.Agent): SeenAgent {
  return {
    id,
    capabilities: capabilities.map(({ name, credits, minCredits: min, maxCredits: max, bound }) => ({
      name,
      credits,
      range: max > 0 ? { min, max } : undefined,
      bound: bounds[bound],
    })),
    measuredAtMs: portrait?.time ? timestampDate(portrait.time).getTime() : 0,
    cpu: portrait?.cpu ?? 0,
    meanRunning: portrait?.meanRunning ?? 0,
    // A host that is up uses something; nothing at all is an agent that does not measure it.
    hostCpu: portrait?.hostCpu || undefined,
    completed: Number(portrait?.completed ?? 0n),
  };
}
