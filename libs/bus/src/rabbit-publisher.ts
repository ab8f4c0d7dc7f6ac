/**
 * Publishing with confirms on a channel of its own. A call sends all its messages and then waits for all confirms. A message
 * addressed to a queue is mandatory: RabbitMQ returns it when there is no such queue, just before it confirms it.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { ConfirmChannel, Options } from 'amqplib';
import { once } from 'node:events';
import { contentType, seal, type Envelope } from './envelope.js';
import { confirmWindow } from './limits.js';
import type { OutgoingMessage } from './port.js';
import { rabbitError, within } from './rabbit-errors.js';
import type { RabbitLink } from './rabbit-link.js';
import type { RabbitTopology } from './rabbit-topology.js';

export interface PublisherOptions {
  readonly link: RabbitLink;
  readonly topology: RabbitTopology;
  readonly identity: string;
  /** The connection's user, which the broker checks against every message's user-id. */
  readonly user: string;
  readonly prefix: string;
  readonly confirmTimeoutMs: number;
}

interface PublishingChannel {
  readonly channel: ConfirmChannel;
  /** Keys of messages that came back, see `returnKey`. */
  readonly returned: Set<string>;
  /** Why RabbitMQ closed the channel. */
  failure?: Error;
}

export class RabbitPublisher {
  readonly #options: PublisherOptions;
  readonly #inFlight = new Set<Promise<unknown>>();
  #current: Promise<PublishingChannel> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  async publish(messages: readonly OutgoingMessage[]): Promise<void> {
    for (let start = 0; start < messages.length; start += confirmWindow) {
      const publishing = this.#publishWindow(messages.slice(start, start + confirmWindow));
      this.#inFlight.add(publishing);
      await publishing.finally(() => this.#inFlight.delete(publishing));
    }
  }

  /** Resolves when no publish is waiting for its confirms. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }

  async #publishWindow(messages: readonly OutgoingMessage[]): Promise<void> {
    const open = await this.#channel();
    const sent: Promise<void>[] = [];
    const everything = async (): Promise<void> => {
      try {
        for (const message of messages) {
          const { confirmed, room } = this.#send(open, message);
          sent.push(confirmed);
          if (!room) await drained(open.channel);
        }
      } finally {
        await allOf(sent);
      }
    };
    await within(this.#options.confirmTimeoutMs, everything(), 'publish').catch((thrown: unknown) => {
      throw thrown instanceof CogmeshError ? thrown : rabbitError(open.failure ?? thrown, 'publish');
    });
  }

  #send(open: PublishingChannel, message: OutgoingMessage): { confirmed: Promise<void>; room: boolean } {
    const { prefix, topology, identity } = this.#options;
    const toQueue = 'queue' in message.to;
    const exchange = 'queue' in message.to ? '' : topology.exchangeName(message.to.exchange);
    const routingKey = 'queue' in message.to ? `${prefix}${message.to.queue}` : message.to.routingKey;
    const envelope = seal(message, identity);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const confirm = (error: unknown): void => {
      if (error) reject(refusal(open.failure ?? error, routingKey));
      else if (toQueue && open.returned.delete(returnKey(envelope.id, routingKey))) reject(unroutable(routingKey));
      else resolve();
    };
    promise.catch(() => undefined);
    const options = { ...this.#properties(message, envelope), mandatory: toQueue };
    const room = open.channel.publish(exchange, routingKey, Buffer.from(message.body), options, confirm);
    return { confirmed: promise, room };
  }

  #properties(message: OutgoingMessage, { id, headers }: Envelope): Options.Publish {
    return {
      contentType,
      messageId: id,
      type: message.type,
      userId: this.#options.user,
      persistent: true,
      headers,
      ...(message.expirationMs === undefined ? {} : { expiration: Math.max(0, Math.ceil(message.expirationMs)) }),
    };
  }

  /** The channel of the current connection, opened when there is none. */
  #channel(): Promise<PublishingChannel> {
    if (this.#current) return this.#current;
    const opening = this.#open(() => this.#current === opening && (this.#current = undefined));
    opening.catch(() => this.#current === opening && (this.#current = undefined));
    this.#current = opening;
    return opening;
  }

  async #open(forget: () => void): Promise<PublishingChannel> {
    const model = await this.#options.link.model('publish');
    const channel = await model.createConfirmChannel().catch((thrown: unknown) => {
      throw rabbitError(thrown, 'publish');
    });
    const open: PublishingChannel = { channel, returned: new Set() };
    channel.on('error', (error) => (open.failure = error));
    channel.on('close', forget);
    channel.on('return', ({ properties, fields }) =>
      open.returned.add(returnKey(String(properties.messageId), fields.routingKey)),
    );
    return open;
  }
}

/** RabbitMQ negatively confirms what a full queue (x-overflow reject-publish) does not take. */
function refusal(error: unknown, routingKey: string): CogmeshError {
  const nacked = error instanceof Error && error.message === 'message nacked';
  if (!nacked) return rabbitError(error, 'publish');
  return new CogmeshError('overloaded', `a queue behind "${routingKey}" is full`, { routingKey });
}

function unroutable(queue: string): CogmeshError {
  return new CogmeshError('not_found', `no queue ${queue}`, { queue });
}

/** One message of a call is told from another by id and destination; a repeated id goes to the same place. */
function returnKey(id: string, routingKey: string): string {
  return `${id} ${routingKey}`;
}

async function drained(channel: ConfirmChannel): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const events = [once(channel, 'drain', { signal }), once(channel, 'close', { signal })];
  await Promise.race(events).finally(() => waiting.abort());
}

/** Waits for all, then throws what failed first in order of sending. */
async function allOf(sent: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(sent);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
