/**
 * Who knows the agents: hears their heartbeats, tells schedulers late who there is, takes stop instructions to them, and
 * carries what heartbeats say of held attempts to the scheduler that owns them.
 */
import type { Target } from '../engine/credits.js';
import type { Slices, Targets } from '../engine/dispatch-ports.js';
import { parseNeed } from '../engine/need.js';
import type { SimulatedWork } from './messages.js';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedAgent } from './simulated-agent.js';
import type { SimulatedProcess } from './process.js';
import type { VirtualClock } from './virtual-clock.js';

const heartbeatMs = 2_000;
/** An agent that was not heard for so long is gone, milliseconds. */
const goneAfterMs = 6_000;

export interface Portrait {
  readonly id: string;
  readonly credits: ReadonlyMap<string, number>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RegistryOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly isCutOff: (process: SimulatedProcess) => boolean;
  /** Renews leases where they are kept; answers what nobody wants any more. */
  readonly renew: (held: readonly SimulatedWork[]) => readonly string[];
}

export class SimulatedRegistry {
  readonly #options: RegistryOptions;
  readonly #agents = new Map<string, { readonly agent: SimulatedAgent; heardAt: number }>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  join(agent: SimulatedAgent): void {
    const { clock, random } = this.#options;
    this.#agents.set(agent.id, { agent, heardAt: clock.now() });
    agent.options.process.clock.after(random.below(heartbeatMs), () => this.#beat(agent));
  }

  #beat(agent: SimulatedAgent): void {
    const { clock, isCutOff } = this.#options;
    const { process } = agent.options;
    process.clock.after(heartbeatMs, () => this.#beat(agent));
    if (isCutOff(process)) return;
    const known = this.#agents.get(agent.id);
    if (known) known.heardAt = clock.now();
    const held = agent.held();
    for (const attemptId of this.#options.renew(held)) this.#tell(agent, attemptId);
  }

  /** Unless the agent cannot be reached: its next heartbeat is asked about then. */
  stop(agentId: string, attemptId: string): void {
    const known = this.#agents.get(agentId);
    if (known) this.#tell(known.agent, attemptId);
  }

  #tell(agent: SimulatedAgent, attemptId: string): void {
    const { random, isCutOff } = this.#options;
    const { process } = agent.options;
    process.clock.after(random.between(1, 30), () => {
      if (!isCutOff(process)) agent.stop(attemptId);
    });
  }

  /** Agents that take work, as a registry would tell now. */
  portraits(): Portrait[] {
    return [...this.#agents.values()].flatMap(({ agent, heardAt }) => {
      const isThere = this.#options.clock.now() - heardAt <= goneAfterMs && !agent.isDraining;
      return isThere ? [{ id: agent.id, credits: agent.options.credits, labels: agent.options.labels }] : [];
    });
  }

  /** Agents that will not come back, as far as anybody can tell. */
  isGone(agentId: string): boolean {
    const known = this.#agents.get(agentId);
    return !known || this.#options.clock.now() - known.heardAt > goneAfterMs;
  }
}

/** Credits in use, as the scheduler counts them. */
interface Usage {
  usedBy(agentId: string, capability: string): number;
  outstandingIn(queue: string): number;
}

export interface TargetOptions {
  readonly portraits: () => readonly Portrait[];
  readonly usage: () => Usage;
  readonly slices: Slices;
  readonly random: SeededRandom;
  /** Capabilities that are dealt out by the broker, each with its queue. */
  readonly shared: ReadonlyMap<string, string>;
}

/** The least loaded agent with a free credit, or the shared queue while it is shallow. */
export class SimulatedTargets implements Targets {
  readonly #options: TargetOptions;

  constructor(options: TargetOptions) {
    this.#options = options;
  }

  hasRoom(need: string): boolean {
    const queue = this.#queueFor(need);
    return queue === undefined ? this.#free(need).length > 0 : this.#roomIn(need, queue) > 0;
  }

  choose(need: string): Target | undefined {
    const capability = parseNeed(need).uses;
    const queue = this.#queueFor(need);
    if (queue !== undefined) return this.#roomIn(need, queue) > 0 ? { queue, capability } : undefined;
    const free = this.#free(need);
    if (free.length === 0) return undefined;
    const agentId = this.#options.random.pick(free).id;
    return { agentId, capability };
  }

  /** A shared queue is read by agents with any labels. */
  #queueFor(need: string): string | undefined {
    const { uses, labels } = parseNeed(need);
    return labels.length === 0 ? this.#options.shared.get(uses) : undefined;
  }

  #candidates(need: string): Portrait[] {
    const { uses, labels } = parseNeed(need);
    const fits = ({ credits, labels: has }: Portrait): boolean =>
      credits.has(uses) && labels.every(([label, value]) => has[label] === value);
    return this.#options.portraits().filter(fits);
  }

  #free(need: string): Portrait[] {
    const { uses } = parseNeed(need);
    const { slices, usage } = this.#options;
    return this.#candidates(need).filter(({ id, credits }) => {
      const mine = slices.credits(id, uses, credits.get(uses) ?? 0);
      return usage().usedBy(id, uses) < mine;
    });
  }

  #roomIn(need: string, queue: string): number {
    const { uses } = parseNeed(need);
    const { slices, usage } = this.#options;
    const credits = this.#candidates(need).reduce((sum, agent) => sum + (agent.credits.get(uses) ?? 0), 0);
    return slices.credits(queue, uses, 2 * credits) - usage().outstandingIn(queue);
  }
}
