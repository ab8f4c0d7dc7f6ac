/** Slots of agents that run already: the registry tells each how many it takes at once from now on. */
import { CogmeshError } from '@cogmesh/errors';
import { deal, type AgentPool, type AgentSlots, type PoolSettings, type PoolSlots } from '@cogmesh/scheduling-core';

export interface SlotInstructions {
  /** Rejects when the agent refuses or cannot be reached. */
  setCredits(agentId: string, change: { capability: string; credits: number; reason: string }): Promise<void>;
}

export class SameHostPool implements AgentPool {
  readonly place = 'same-host';
  readonly #settings: PoolSettings;
  readonly #instructions: SlotInstructions;
  #agents: ReadonlyMap<string, readonly AgentSlots[]> = new Map();

  constructor(settings: PoolSettings, instructions: SlotInstructions) {
    this.#settings = settings;
    this.#instructions = instructions;
  }

  /** The agents of each capability, as seen now. */
  see(agents: ReadonlyMap<string, readonly AgentSlots[]>): void {
    this.#agents = agents;
  }

  slots(capability: string): PoolSlots | undefined {
    const agents = (this.#agents.get(capability) ?? []).flatMap(({ credits, range }) =>
      range ? [{ credits, range }] : [],
    );
    if (agents.length === 0) return undefined;
    const { sameHostMaxSlots } = this.#settings;
    const sum = (of: (agent: (typeof agents)[number]) => number) => agents.reduce((all, agent) => all + of(agent), 0);
    return {
      slots: sum(({ credits }) => credits),
      min: sum(({ range }) => range.min),
      max: sum(({ range }) => Math.max(range.min, Math.min(range.max, sameHostMaxSlots))),
      step: 1,
    };
  }

  async resize(capability: string, slots: number, reason: string): Promise<boolean> {
    const agents = this.#agents.get(capability) ?? [];
    const before = this.slots(capability)?.slots ?? 0;
    const changes = [...deal(agents, slots - before, this.#settings)];
    const told = await Promise.allSettled(
      changes.map(([agentId, credits]) => this.#instructions.setCredits(agentId, { capability, credits, reason })),
    );
    const refused = told.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    if (refused.length > 0 && refused.length === told.length) {
      const [first] = refused;
      throw first instanceof Error ? first : new CogmeshError('unavailable', String(first));
    }
    return changes.length > 0;
  }
}
