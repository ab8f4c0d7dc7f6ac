/** The queues this worker takes work from: its own, and the shared one of each capability; prefetch is its credits. */
import type { Bus, Consumer, Handler, Queue } from '@cogmesh/bus';
import { sharedQueueOf } from '@cogmesh/enforcement';
import type { CapabilityInit } from '../inference/capabilities.js';

/** Contract with the scheduler: a queue nobody consumes for this long is gone, milliseconds. */
const agentQueueExpiresMs = 60_000;

export class WorkQueues {
  private readonly consumers = new Map<string, Consumer>();
  private turn: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly bus: Bus,
    private readonly agentId: string,
    private readonly handler: Handler,
  ) {}

  /** Consumes exactly what these capabilities need. A warm-up is waited for elsewhere; queues may fill meanwhile. */
  follow(capabilities: readonly CapabilityInit[]): Promise<void> {
    return this.inTurn(async () => {
      if (this.stopped) return;
      const wanted = queuesOf(this.agentId, capabilities);
      for (const [name, consumer] of this.consumers) {
        if (wanted.has(name)) continue;
        this.consumers.delete(name);
        await consumer.stop();
      }
      // Side by side, because a new queue takes seconds to settle at the broker.
      const begun = await Promise.allSettled(
        [...wanted]
          .filter(([name]) => !this.consumers.has(name))
          .map(async ([name, { queue, prefetch }]) => {
            this.consumers.set(name, await this.bus.consume(queue, this.handler, { prefetch }));
          }),
      );
      for (const each of begun) if (each.status === 'rejected') throw each.reason;
    });
  }

  /** Takes nothing more; resolves when what was taken is settled. */
  stop(): Promise<void> {
    this.stopped = true;
    return this.inTurn(async () => {
      await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
      this.consumers.clear();
    });
  }

  private inTurn(step: () => Promise<void>): Promise<void> {
    this.turn = this.turn.catch(() => undefined).then(step);
    return this.turn;
  }
}

function queuesOf(
  agentId: string,
  capabilities: readonly CapabilityInit[],
): Map<string, { queue: Queue; prefetch: number }> {
  const all = capabilities.reduce((sum, capability) => sum + capability.credits, 0);
  const own: Queue = { name: `agent.${agentId}.work`, kind: 'durable', expiresMs: agentQueueExpiresMs };
  const queues = new Map([[own.name, { queue: own, prefetch: Math.max(1, all) }]]);
  for (const { name, credits } of capabilities) {
    const queue: Queue = { name: sharedQueueOf(name), kind: 'durable' };
    queues.set(queue.name, { queue, prefetch: Math.max(1, credits) });
  }
  return queues;
}
