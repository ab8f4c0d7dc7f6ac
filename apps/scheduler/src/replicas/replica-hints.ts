/**
 * What schedulers of one database tell each other over the bus, so that nobody waits for a poll. All of it is in the
 * database; a hint that is lost or comes twice does no harm. What is told in one turn travels as one message of its kind.
 */
import {
  decode,
  messageTo,
  type Bus,
  type Consumer,
  type Delivery,
  type OutgoingMessage,
  type Queue,
} from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import { schedulerEvents } from '../engine/run-hints.js';

const keys = {
  shards: 'shards.changed.v1',
  waiting: 'commands.waiting.v1',
  answered: 'commands.answered.v1',
  scopes: 'scopes.changed.v1',
  slices: 'slices.changed.v1',
} as const;

const queue: Queue = {
  name: 'scheduler.replicas',
  kind: 'transient',
  bindings: Object.values(keys).map((routingKey) => ({ exchange: schedulerEvents, routingKey })),
};

/** Who listens in this process; each is also told of what this process itself said. */
export interface HintListeners {
  onShards(): void;
  onWaiting(shards: readonly number[]): void;
  onAnswered(commandIds: readonly string[]): void;
  onScopes(): void;
  onSlices(): void;
}

export class ReplicaHints {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #replica: string;
  #consumer: Consumer | undefined;
  readonly #pending = {
    shards: false,
    scopes: false,
    slices: false,
    waiting: new Set<number>(),
    answered: new Set<string>(),
  };
  #isScheduled = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(bus: Bus, logger: Logger, replica: string) {
    this.#bus = bus;
    this.#logger = logger;
    this.#replica = replica;
  }

  async start(listeners: HintListeners): Promise<void> {
    await this.#bus.declare({ exchanges: [schedulerEvents] });
    const handle = (deliveries: readonly Delivery[]) => {
      for (const delivery of deliveries) hear(delivery, listeners);
      return Promise.resolve(deliveries.map(() => 'ack' as const));
    };
    this.#consumer = await this.#bus.consume(queue, handle, { maxBatch: 100 });
  }

  /** What was said is sent. */
  async stop(): Promise<void> {
    await this.#consumer?.stop();
    await this.#sending;
  }

  shardsChanged(): void {
    this.#pending.shards = true;
    this.#schedule();
  }

  scopesChanged(): void {
    this.#pending.scopes = true;
    this.#schedule();
  }

  slicesChanged(): void {
    this.#pending.slices = true;
    this.#schedule();
  }

  waiting(shards: readonly number[]): void {
    for (const shard of shards) this.#pending.waiting.add(shard);
    this.#schedule();
  }

  answered(commandIds: readonly string[]): void {
    for (const id of commandIds) this.#pending.answered.add(id);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#sending = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#send());
  }

  async #send(): Promise<void> {
    this.#isScheduled = false;
    const messages = this.#messages();
    if (messages.length === 0) return;
    await this.#bus
      .publish(messages)
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'hints to other schedulers were not sent'));
  }

  #messages(): OutgoingMessage[] {
    const { shards, scopes, slices, waiting, answered } = this.#pending;
    const messages: OutgoingMessage[] = [];
    if (shards) messages.push(messageTo(to(keys.shards), eventsV1.ShardsChangedSchema, { replica: this.#replica }));
    if (scopes) messages.push(messageTo(to(keys.scopes), eventsV1.ScopesChangedSchema, {}));
    if (slices) messages.push(messageTo(to(keys.slices), eventsV1.SlicesChangedSchema, {}));
    if (waiting.size > 0) {
      messages.push(messageTo(to(keys.waiting), eventsV1.CommandsWaitingSchema, { shards: [...waiting] }));
    }
    if (answered.size > 0) {
      const commandIds = [...answered];
      messages.push(messageTo(to(keys.answered), eventsV1.CommandsAnsweredSchema, { commandIds }));
    }
    Object.assign(this.#pending, { shards: false, scopes: false, slices: false });
    waiting.clear();
    answered.clear();
    return messages;
  }
}

const to = (routingKey: string) => ({ exchange: schedulerEvents, routingKey });

function hear(delivery: Delivery, listeners: HintListeners): void {
  switch (delivery.routingKey) {
    case keys.shards:
      return listeners.onShards();
    case keys.scopes:
      return listeners.onScopes();
    case keys.slices:
      return listeners.onSlices();
    case keys.waiting:
      return listeners.onWaiting(decode(eventsV1.CommandsWaitingSchema, delivery).shards);
    case keys.answered:
      return listeners.onAnswered(decode(eventsV1.CommandsAnsweredSchema, delivery).commandIds);
  }
}
