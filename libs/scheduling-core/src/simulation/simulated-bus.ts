/**
 * A broker as bad as brokers may be: messages take their time and overtake one another, some come twice, some are delivered
 * and delivered again because the acknowledgement was lost. Nothing it has confirmed is lost. A message is acknowledged
 * when its handler resolves and comes again when it rejects.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedProcess } from './process.js';
import type { VirtualClock } from './virtual-clock.js';

export type BusHandler<T> = (body: T) => Promise<void>;

interface Message<T> {
  readonly body: T;
  state: 'waiting' | 'delivered' | 'done';
}

interface Consumer<T> {
  readonly process: SimulatedProcess;
  readonly handler: BusHandler<T>;
  /** Unacknowledged messages it takes at once. */
  readonly prefetch: number;
  readonly unacknowledged: Set<Message<T>>;
}

interface Queue<T> {
  readonly name: string;
  waiting: Message<T>[];
  readonly consumers: Consumer<T>[];
  turn: number;
}

export interface BusFaults {
  readonly delayMs: () => number;
  /** The message is stored twice, as when a publisher that missed the confirmation sends it again. */
  readonly isDuplicated: () => boolean;
  /** The acknowledgement is lost: the message comes again although it was handled. */
  readonly isAckLost: () => boolean;
  /** The broker takes nothing and gives nothing now. */
  readonly isDown: () => boolean;
  /** This process cannot reach it now. */
  readonly isCutOff: (process: SimulatedProcess) => boolean;
  /** The message is stored, but its publisher hears of an error. */
  readonly isConfirmLost: () => boolean;
}

export interface BusOptions<T> {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly faults: BusFaults;
  readonly onAcknowledged?: (queue: string, body: T, by: SimulatedProcess) => void;
}

/** How long a publisher waits for the broker, milliseconds. */
const publishTimeoutMs = 1_000;
const [minAgainMs, maxAgainMs] = [20, 400];
/** How often somebody looks whether the broker is back, milliseconds. */
const outageStepMs = 250;

export class SimulatedBus<T> {
  readonly #options: BusOptions<T>;
  readonly #queues = new Map<string, Queue<T>>();

  constructor(options: BusOptions<T>) {
    this.#options = options;
  }

  declare(name: string): void {
    if (!this.#queues.has(name)) this.#queues.set(name, { name, waiting: [], consumers: [], turn: 0 });
  }

  /** With everything that waits in it. */
  remove(name: string): void {
    this.#queues.delete(name);
  }

  has(name: string): boolean {
    return this.#queues.has(name);
  }

  /** Resolves when the broker has it for good. Rejects with `not_found` or `unavailable`; the latter may have arrived. */
  publish(from: SimulatedProcess, name: string, body: T): Promise<void> {
    const { faults } = this.#options;
    return from.hear(this.#accept(from, name, body), faults.delayMs);
  }

  async #accept(from: SimulatedProcess, name: string, body: T): Promise<void> {
    const { clock, faults } = this.#options;
    if (faults.isDown() || faults.isCutOff(from)) {
      await clock.sleep(publishTimeoutMs);
      throw new CogmeshError('unavailable', 'the broker does not answer');
    }
    await clock.sleep(faults.delayMs());
    const queue = this.#queues.get(name);
    if (!queue) throw new CogmeshError('not_found', `no queue ${name}`);
    for (let copies = faults.isDuplicated() ? 2 : 1; copies > 0; copies -= 1) this.#enqueue(queue, body);
    if (faults.isConfirmLost()) throw new CogmeshError('unavailable', 'the confirmation was lost');
  }

  #enqueue(queue: Queue<T>, body: T): void {
    queue.waiting.push({ body, state: 'waiting' });
    this.#serve(queue);
  }

  /** Answers how to stop; what is not acknowledged then goes to somebody else. */
  consume(process: SimulatedProcess, name: string, options: { handler: BusHandler<T>; prefetch?: number }): () => void {
    this.declare(name);
    const queue = this.#queues.get(name) as Queue<T>;
    const { handler, prefetch = Infinity } = options;
    const consumer: Consumer<T> = { process, handler, prefetch, unacknowledged: new Set() };
    queue.consumers.push(consumer);
    this.#serve(queue);
    return () => this.#leave(queue, consumer);
  }

  #leave(queue: Queue<T>, consumer: Consumer<T>): void {
    const at = queue.consumers.indexOf(consumer);
    if (at < 0) return;
    queue.consumers.splice(at, 1);
    for (const message of consumer.unacknowledged) this.#again(queue, consumer, message);
  }

  #serve(queue: Queue<T>): void {
    while (queue.waiting.length > 0) {
      const consumer = this.#next(queue);
      const message = consumer && queue.waiting.shift();
      if (!message) return;
      message.state = 'delivered';
      consumer.unacknowledged.add(message);
      this.#deliver(queue, consumer, message);
    }
  }

  #next({ consumers, ...queue }: Queue<T>): Consumer<T> | undefined {
    for (let tried = 0; tried < consumers.length; tried += 1) {
      const consumer = consumers[(queue.turn + tried) % consumers.length];
      if (consumer && consumer.unacknowledged.size < consumer.prefetch) {
        (this.#queues.get(queue.name) as Queue<T>).turn += tried + 1;
        return consumer;
      }
    }
    return undefined;
  }

  #deliver(queue: Queue<T>, consumer: Consumer<T>, message: Message<T>): void {
    const { clock, faults } = this.#options;
    const arrive = (): void => {
      if (!consumer.unacknowledged.has(message)) return;
      if (faults.isDown() || faults.isCutOff(consumer.process)) clock.after(outageStepMs, arrive);
      else consumer.process.enter(() => this.#handle(queue, consumer, message));
    };
    clock.after(faults.delayMs(), arrive);
  }

  #handle(queue: Queue<T>, consumer: Consumer<T>, message: Message<T>): void {
    if (!consumer.unacknowledged.has(message)) return;
    const { process } = consumer;
    const settle = (isHandled: boolean): void => {
      if (!process.isRunning || !consumer.unacknowledged.has(message)) return;
      const { faults, onAcknowledged } = this.#options;
      if (isHandled) onAcknowledged?.(queue.name, message.body, process);
      if (isHandled && !faults.isAckLost()) this.#acknowledge(queue, consumer, message);
      else this.#again(queue, consumer, message);
    };
    consumer.handler(message.body).then(
      () => settle(true),
      () => settle(false),
    );
  }

  #acknowledge(queue: Queue<T>, consumer: Consumer<T>, message: Message<T>): void {
    message.state = 'done';
    consumer.unacknowledged.delete(message);
    this.#serve(queue);
  }

  #again(queue: Queue<T>, consumer: Consumer<T>, message: Message<T>): void {
    consumer.unacknowledged.delete(message);
    message.state = 'waiting';
    this.#options.clock.after(this.#options.random.between(minAgainMs, maxAgainMs), () => {
      queue.waiting.push(message);
      this.#serve(queue);
    });
  }
}
