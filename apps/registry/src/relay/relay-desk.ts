/**
 * The relays of all SDK agents, and the queues consumed for them: each agent's own and the shared one of each of its tools, with
 * its credits as prefetch. A relay outlives a broken stream; it ends when its agent is lost or gone.
 */
import type { Bus, Queue } from '@cogmesh/bus';
import { sharedQueueOf, type CheckTaskGrant } from '@cogmesh/enforcement';
import type { AgentRecord, Capability } from '@cogmesh/registry-core';
import type { Logger } from '@cogmesh/telemetry';
import { AgentRelay, type AgentRelayOptions, type Stream } from './agent-relay.js';
import { QueueReader } from './queue-reader.js';
import { workIntake } from './work-intake.js';

export interface RelayDeskOptions extends Omit<AgentRelayOptions, 'agentId'> {
  readonly bus: Bus;
  readonly checkTaskGrant: CheckTaskGrant;
  readonly logger: Logger;
}

interface Desk {
  readonly relay: AgentRelay;
  readonly readers: Map<string, QueueReader>;
}

/** Agent queues go away by themselves; contract with scheduler and worker. */
const AGENT_QUEUE_EXPIRES_MS = 60_000;

export class RelayDesk {
  readonly #options: RelayDeskOptions;
  readonly #desks = new Map<string, Desk>();
  /** Opening and closing of one agent's relay follow each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: RelayDeskOptions) {
    this.#options = options;
  }

  relay(agentId: string): AgentRelay | undefined {
    return this.#desks.get(agentId)?.relay;
  }

  /** Makes the agent's queues, so that work can be addressed to it before it is known to be ready. */
  async prepare(agentId: string, capabilities: readonly Capability[]): Promise<void> {
    const queues = [...queuesOf(agentId, capabilities).values()].map(({ queue }) => queue);
    await this.#options.bus.declare({ queues });
  }

  /** The agent is connected: work flows, unless it is draining. */
  open(agent: AgentRecord, stream: Stream): Promise<void> {
    return this.#turn(agent.id, async () => {
      const desk = this.#desks.get(agent.id) ?? (await this.#create(agent.id));
      this.#desks.set(agent.id, desk);
      desk.relay.attach(stream);
      if (agent.state === 'DRAINING') return;
      desk.relay.acceptWork();
      desk.relay.announce(agent.capabilities);
      await this.#consume(desk, agent.capabilities);
    });
  }

  /** The agent takes more or fewer at once than before. Tried again with its next heartbeat when it fails. */
  async resize(agentId: string, capabilities: readonly Capability[]): Promise<void> {
    const desk = this.#desks.get(agentId);
    if (!desk || isReadFor(desk, capabilities)) return;
    await this.#turn(agentId, async () => {
      // Who drains, or is gone meanwhile, reads nothing.
      if (desk.readers.size > 0) await this.#consume(desk, capabilities);
    });
  }

  /** The agent takes nothing new; what it has started goes on. */
  drain(agentId: string): Promise<void> {
    return this.#stopWork(agentId, 'draining', 'the agent is draining');
  }

  /** The agent is lost or gone: nothing of its work is left with it. */
  close(agentId: string, reason: string): Promise<void> {
    return this.#turn(agentId, async () => {
      // After a restart of the registry there is no desk for an agent that has not come back, but there may be work it had started.
      const desk = this.#desks.get(agentId) ?? (await this.#create(agentId));
      await this.#stop(desk, 'agent_lost', reason);
      await desk.relay.loseStarted(reason);
      this.#desks.delete(agentId);
    });
  }

  /** Nobody will ask for these agents any more. */
  forget(agentIds: readonly string[]): Promise<void> {
    return this.#options.attempts.removeAgents(agentIds);
  }

  /** The registry leaves: every agent's unstarted work goes back. */
  async stop(): Promise<void> {
    const reason = 'the registry is stopping';
    await Promise.all([...this.#desks.keys()].map((id) => this.#stopWork(id, 'draining', reason)));
  }

  tick(): void {
    for (const { relay } of this.#desks.values()) relay.tick();
  }

  #stopWork(agentId: string, code: string, reason: string): Promise<void> {
    return this.#turn(agentId, async () => {
      const desk = this.#desks.get(agentId);
      if (desk) await this.#stop(desk, code, reason);
    });
  }

  async #stop(desk: Desk, code: string, reason: string): Promise<void> {
    await desk.relay.refuseWork(code, reason);
    await Promise.all([...desk.readers.values()].map((reader) => reader.stop()));
    desk.readers.clear();
  }

  async #create(agentId: string): Promise<Desk> {
    const relay = new AgentRelay({ ...this.#options, agentId });
    await relay.restore();
    return { relay, readers: new Map() };
  }

  async #consume(desk: Desk, capabilities: readonly Capability[]): Promise<void> {
    const wanted = queuesOf(desk.relay.agentId, capabilities);
    for (const [name, reader] of desk.readers) {
      if (wanted.has(name)) continue;
      desk.readers.delete(name);
      await reader.stop();
    }
    const handler = workIntake({ ...this.#options, relay: desk.relay });
    for (const [name, { queue, prefetch }] of wanted) {
      const open = (places: number) => this.#options.bus.consume(queue, handler, { prefetch: places });
      const reader = desk.readers.get(name) ?? new QueueReader(open);
      desk.readers.set(name, reader);
      await reader.setPlaces(prefetch);
    }
  }

  #turn<T>(agentId: string, step: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(agentId) ?? Promise.resolve()).catch(() => {}).then(step);
    this.#turns.set(agentId, turn);
    const done = () => {
      if (this.#turns.get(agentId) === turn) this.#turns.delete(agentId);
    };
    turn.then(done, done);
    return turn;
  }
}

function isReadFor({ relay, readers }: Desk, capabilities: readonly Capability[]): boolean {
  const wanted = [...queuesOf(relay.agentId, capabilities)];
  return readers.size === 0 || wanted.every(([name, { prefetch }]) => readers.get(name)?.places === prefetch);
}

function queuesOf(agentId: string, capabilities: readonly Capability[]) {
  const credits = (list: readonly Capability[]) =>
    Math.max(
      1,
      list.reduce((sum, each) => sum + each.credits, 0),
    );
  const own: Queue = { name: `agent.${agentId}.work`, kind: 'durable', expiresMs: AGENT_QUEUE_EXPIRES_MS };
  const queues = new Map([[own.name, { queue: own, prefetch: credits(capabilities) }]]);
  for (const capability of capabilities) {
    const queue: Queue = { name: sharedQueueOf(capability.name), kind: 'durable' };
    queues.set(queue.name, { queue, prefetch: credits([capability]) });
  }
  return queues;
}
