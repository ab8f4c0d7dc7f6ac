/**
 * The agents by capability, as the pool policy looks at them, from what the registry says of each. Remembers one thing: how
 * much processor a busy slot of each agent takes, smoothed, and only measured while it was busy.
 */
import type { AgentSlots } from '@cogmesh/scheduling-core';

export interface SeenAgent {
  readonly id: string;
  readonly capabilities: readonly {
    readonly name: string;
    readonly credits: number;
    readonly range: AgentSlots['range'];
    readonly bound: AgentSlots['bound'];
  }[];
  /** When it measured itself, milliseconds since the epoch; 0 before the first time. */
  readonly measuredAtMs: number;
  readonly cpu: number;
  readonly meanRunning: number;
  readonly hostCpu: number | undefined;
  readonly completed: number;
}

export interface Served {
  readonly agents: AgentSlots[];
  /** Undefined when some of these agents also do other work. */
  completed: number | undefined;
}

/** Below this many slots busy on average, what a slot takes drowns in what the agent takes anyway. */
const leastRunning = 0.5;
/** Weight of the newest measurement. */
const newestWeight = 0.4;

export class AgentBook {
  readonly #perSlot = new Map<string, { readonly measuredAtMs: number; readonly cpu: number }>();

  /** What each capability is served by, of the agents that take work now. */
  read(agents: readonly SeenAgent[]): Map<string, Served> {
    const served = new Map<string, Served>();
    for (const agent of agents) {
      this.#measure(agent);
      for (const { name, credits, range, bound } of agent.capabilities) {
        const entry = served.get(name) ?? { agents: [], completed: 0 };
        served.set(name, entry);
        const { id, cpu, hostCpu } = agent;
        entry.agents.push({ id, credits, range, bound, cpu, cpuPerSlot: this.#perSlot.get(id)?.cpu, hostCpu });
        const isOnly = agent.capabilities.length === 1;
        entry.completed = isOnly && entry.completed !== undefined ? entry.completed + agent.completed : undefined;
      }
    }
    const present = new Set(agents.map(({ id }) => id));
    for (const id of this.#perSlot.keys()) if (!present.has(id)) this.#perSlot.delete(id);
    return served;
  }

  #measure({ id, measuredAtMs, cpu, meanRunning }: SeenAgent): void {
    const before = this.#perSlot.get(id);
    if (meanRunning < leastRunning || measuredAtMs === before?.measuredAtMs) return;
    const now = cpu / meanRunning;
    this.#perSlot.set(id, { measuredAtMs, cpu: before ? before.cpu + (now - before.cpu) * newestWeight : now });
  }
}
