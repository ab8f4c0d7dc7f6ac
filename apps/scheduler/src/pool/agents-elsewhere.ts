/**
 * Slots as whole agents of one fleet, which may serve several capabilities: it has as many agents as the neediest of them
 * wants. Each capability sees its own wish, so that one that is idle does not take agents from one that is not.
 */
import type { AgentPool, PoolSlots } from '@cogmesh/scheduling-core';
import type { Fleet } from './fleet.js';

export interface AgentsElsewhereOptions {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly slotsPerAgent: number;
  /** Agents. */
  readonly min: number;
  readonly max: number;
  readonly fleet: Fleet;
}

export class AgentsElsewhere implements AgentPool {
  readonly place = 'other-hosts';
  readonly #options: AgentsElsewhereOptions;
  readonly #wishes = new Map<string, number>();
  /** Agents there should be; undefined while nobody can say. */
  #agents: number | undefined;

  constructor(options: AgentsElsewhereOptions) {
    this.#options = options;
  }

  get capabilities(): readonly string[] {
    return this.#options.capabilities;
  }

  /** Rejects when the fleet cannot say; then nothing can be asked of it until the next time. */
  async refresh(): Promise<void> {
    const before = this.#agents;
    this.#agents = undefined;
    const agents = await this.#options.fleet.count();
    this.#agents = agents;
    // Somebody else changed it, or we have just started: nobody wants less than that until it has said so.
    if (agents !== before) this.#wishEach(agents);
  }

  slots(capability: string): PoolSlots | undefined {
    const { min, max, slotsPerAgent: step, capabilities } = this.#options;
    if (this.#agents === undefined || !capabilities.includes(capability)) return undefined;
    // The fixed pool is everybody's wish, once it is there.
    const wish = Math.max(this.#wishes.get(capability) ?? this.#agents, Math.min(min, this.#agents));
    const room = Math.max(0, max - this.#agents);
    return { slots: wish * step, min: min * step, max: (wish + room) * step, step };
  }

  async resize(capability: string, slots: number, _reason: string): Promise<boolean> {
    const { min, max, slotsPerAgent, fleet } = this.#options;
    const before = this.#agents;
    const own = this.slots(capability);
    if (before === undefined || own === undefined) return false;
    const by = Math.trunc((slots - own.slots) / slotsPerAgent);
    // What is added comes on top of what there is for others.
    this.#wishes.set(capability, by > 0 ? before + by : own.slots / slotsPerAgent + by);
    const agents = Math.min(max, Math.max(min, ...this.#wishes.values()));
    if (agents === before) return false;
    await fleet.scale(agents);
    this.#agents = agents;
    return true;
  }

  async stop(): Promise<void> {
    await this.#options.fleet.stop();
  }

  #wishEach(agents: number): void {
    for (const capability of this.capabilities) this.#wishes.set(capability, agents);
  }
}
