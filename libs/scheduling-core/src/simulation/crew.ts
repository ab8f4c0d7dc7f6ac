/** Who works in the world: schedulers and agents, as they come, fail and come back. */
import type { FaultKind } from './fault-plan.js';
import type { Faults } from './faults.js';
import type { SimulatedMessage } from './messages.js';
import type { Observations } from './observations.js';
import { SimulatedProcess } from './process.js';
import type { Replica } from './replica.js';
import { SimulatedAgent } from './simulated-agent.js';
import type { SimulatedBus } from './simulated-bus.js';
import type { SimulatedRegistry } from './simulated-registry.js';
import type { SeededRandom } from './seeded-random.js';
import type { VirtualClock } from './virtual-clock.js';

export interface CrewOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly faults: Faults;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly registry: SimulatedRegistry;
  readonly observed: Observations;
  readonly newReplica: (process: SimulatedProcess) => Replica;
  /** Shared queue of each capability that is dealt out by the broker. */
  readonly shared: ReadonlyMap<string, string>;
  /** So that every shard has a part of every agent. */
  readonly fewestCredits: number;
  readonly note: (line: string) => void;
}

/** An agent's place: who stands there changes. */
interface Post {
  readonly capabilities: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  agent: SimulatedAgent;
}

const capabilitySets: readonly (readonly string[])[] = [
  ['tool:acme/count', 'script'],
  ['tool:acme/count', 'tool:globex/weigh'],
  ['script', 'tool:globex/weigh'],
  ['tool:acme/count', 'script', 'tool:globex/weigh'],
];

const mendsItself = (): void => undefined;

export class Crew {
  readonly #options: CrewOptions;
  readonly #posts: Post[] = [];
  readonly #agents = new Map<string, SimulatedAgent>();
  #replicas: Replica[] = [];
  #born = 0;

  constructor(options: CrewOptions, size: { readonly replicas: number; readonly agents: number }) {
    this.#options = options;
    for (let at = 0; at < size.replicas; at += 1) this.#startReplica();
    for (let at = 0; at < size.agents; at += 1) {
      const capabilities = capabilitySets[at % capabilitySets.length] ?? [];
      const labels = { zone: at % 2 === 0 ? 'north' : 'south' };
      this.#posts.push({ capabilities, labels, agent: this.#hire(capabilities, labels) });
    }
  }

  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  get agents(): Iterable<SimulatedAgent> {
    return this.#agents.values();
  }

  agent(id: string): SimulatedAgent | undefined {
    return this.#agents.get(id);
  }

  #startReplica(): void {
    const process = new SimulatedProcess(`scheduler-${(this.#born += 1)}`, this.#options.clock);
    this.#replicas = [
      ...this.#replicas.filter((replica) => replica.process.life !== 'dead'),
      this.#options.newReplica(process),
    ];
  }

  #hire(capabilities: readonly string[], labels: Readonly<Record<string, string>>): SimulatedAgent {
    const { clock, random, bus, registry, observed, shared, fewestCredits } = this.#options;
    const id = `agent-${(this.#born += 1)}`;
    const agent = new SimulatedAgent({
      id,
      process: new SimulatedProcess(id, clock),
      bus,
      random: random.fork(),
      observed,
      credits: new Map(capabilities.map((name) => [name, fewestCredits + random.below(4)])),
      labels,
      sharedQueues: capabilities.flatMap((name) => shared.get(name) ?? []),
      returns: random.pick([0, 0, 0.03]),
      isForgetful: random.chance(0.5),
    });
    this.#agents.set(id, agent);
    registry.join(agent);
    return agent;
  }

  /** Answers how to end it; undefined when there is nobody whom it could befall. */
  begin(kind: FaultKind): (() => void) | undefined {
    if (kind.startsWith('scheduler')) return this.#troubleScheduler(kind);
    return kind.startsWith('agent') ? this.#troubleAgent(kind) : mendsItself;
  }

  #troubleScheduler(kind: FaultKind): (() => void) | undefined {
    const { clock, random, note } = this.#options;
    const running = this.#replicas.filter(({ isServing }) => isServing);
    if (running.length === 0) return undefined;
    const replica = random.pick(running);
    note(`${kind}: ${replica.name}`);
    if (kind === 'scheduler frozen') {
      replica.process.freeze();
      return () => replica.process.wake();
    }
    if (kind === 'scheduler killed') replica.kill();
    else void replica.stop();
    clock.after(random.between(300, 4_000), () => this.#startReplica());
    return mendsItself;
  }

  #troubleAgent(kind: FaultKind): (() => void) | undefined {
    const { clock, random, faults, note } = this.#options;
    const post = random.pick(this.#posts);
    const { agent } = post;
    const { process } = agent.options;
    if (!process.isRunning) return undefined;
    note(`${kind}: ${agent.id}`);
    if (kind === 'agent frozen') {
      process.freeze();
      return () => process.wake();
    }
    if (kind === 'agent cut off') {
      faults.cutOff(process);
      return () => faults.mend(process);
    }
    if (kind === 'agent crashed') agent.crash();
    else agent.drain();
    clock.after(random.between(300, 3_000), () => (post.agent = this.#hire(post.capabilities, post.labels)));
    return mendsItself;
  }
}
