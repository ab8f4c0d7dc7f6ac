/**
 * Carries claims to the broker as the product's publisher does: again and again under the same attempt ids until the broker
 * has them or nobody holds them any more. While the broker is down it says so, and nothing new is claimed.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Publication, Publisher } from '../engine/dispatch-ports.js';
import type { Engine } from '../engine/engine.js';
import { takeBack } from '../engine/take-back.js';
import { workQueueOf, type SimulatedMessage, type SimulatedWork } from './messages.js';
import type { SimulatedProcess } from './process.js';
import type { SimulatedBus } from './simulated-bus.js';

export interface SimulatedPublisherOptions {
  readonly engine: Engine;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly process: SimulatedProcess;
  readonly startWithinMs: number;
  readonly onUnblocked: () => void;
}

const againMs = 150;
/** Time in which a result makes the note "published" needless, milliseconds. */
const noteAfterMs = 25;

export class SimulatedPublisher implements Publisher {
  readonly #options: SimulatedPublisherOptions;
  readonly #publishing = new Set<string>();
  #blocked = 0;
  #isStopped = false;

  constructor(options: SimulatedPublisherOptions) {
    this.#options = options;
  }

  get isBlocked(): boolean {
    return this.#blocked > 0;
  }

  publishing(): ReadonlySet<string> {
    return this.#publishing;
  }

  send(works: readonly Publication[]): void {
    const queues = new Map<string, Publication[]>();
    for (const work of works) {
      this.#publishing.add(work.row.attemptId);
      const queue = work.target.queue ?? workQueueOf(work.target.agentId);
      const batch = queues.get(queue);
      if (batch) batch.push(work);
      else queues.set(queue, [work]);
    }
    for (const [queue, batch] of queues) void this.#sendBatch(queue, batch);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #sendBatch(queue: string, batch: readonly Publication[]): Promise<void> {
    let isBlocking = false;
    try {
      for (let left = this.#held(batch); left.length > 0 && !this.#isStopped; left = this.#held(left)) {
        const failure = await this.#once(queue, left);
        if (failure === undefined) return await this.#note(left);
        if (failure === 'not_found') return await this.#unroutable(left);
        if (!isBlocking) this.#blocked += 1;
        isBlocking = true;
        await new Promise<void>((resolve) => this.#options.process.clock.after(againMs, resolve));
      }
    } catch {
      // The time-out of the start takes back what could not be noted.
    } finally {
      for (const { row } of batch) this.#publishing.delete(row.attemptId);
      if (isBlocking) this.#blocked -= 1;
      if (isBlocking && this.#blocked === 0) this.#options.onUnblocked();
    }
  }

  #held(batch: readonly Publication[]): Publication[] {
    return batch.filter(({ row }) => this.#options.engine.attempt(row.attemptId) !== undefined);
  }

  async #once(queue: string, batch: readonly Publication[]): Promise<string | undefined> {
    const { bus, process } = this.#options;
    try {
      await bus.publish(process, queue, { kind: 'work', works: batch.map((each) => this.#workOf(each)) });
      return undefined;
    } catch (error) {
      return toCogmeshError(error).code;
    }
  }

  #workOf({ row, input, target }: Publication): SimulatedWork {
    const { runId, taskId, itemIndex, attemptId, shard, claimedAt } = row;
    const notAfter = (claimedAt ?? 0) + this.#options.startWithinMs;
    const { capability } = target;
    return { runId, taskId, itemIndex, attemptId, shard, capability, inputJson: input.inputJson, notAfter };
  }

  async #note(batch: readonly Publication[]): Promise<void> {
    const { engine, process } = this.#options;
    await new Promise<void>((resolve) => process.clock.after(noteAfterMs, resolve));
    const unnoted = this.#held(batch).filter(({ row }) => engine.attempt(row.attemptId)?.state === 'CLAIMED');
    if (unnoted.length === 0) return;
    await engine.transact(
      unnoted.map(({ row }) => row.runId),
      (unit) => {
        for (const { row } of unnoted) {
          const task = unit.held(row.attemptId);
          if (task?.state === 'CLAIMED') unit.move(task, 'published', { dueAt: task.dueAt });
        }
      },
    );
  }

  /** The agent's queue is gone. */
  async #unroutable(batch: readonly Publication[]): Promise<void> {
    await takeBack(this.#options.engine, batch.map(({ row }) => row), 'unroutable'); // prettier-ignore
  }
}
