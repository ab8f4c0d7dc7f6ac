import type { Portrait } from './agent.js';

/** The last portraits of each agent, oldest first. Bounded per agent; by default five minutes at one heartbeat in 2 s. */
export class PortraitHistory {
  readonly #byAgent = new Map<string, Portrait[]>();
  readonly #limit: number;

  constructor(limit = 150) {
    this.#limit = limit;
  }

  add(agentId: string, portrait: Portrait): void {
    const portraits = this.#byAgent.get(agentId) ?? [];
    portraits.push(portrait);
    if (portraits.length > this.#limit) portraits.shift();
    this.#byAgent.set(agentId, portraits);
  }

  of(agentId: string): readonly Portrait[] {
    return [...(this.#byAgent.get(agentId) ?? [])];
  }

  forget(agentId: string): void {
    this.#byAgent.delete(agentId);
  }
}
