/** A RabbitMQ message as a delivery of the port. */
import type { ConsumeMessage } from 'amqplib';
import type { Received } from './intake.js';
import type { Delivery } from './port.js';

export interface RabbitReceived extends Received {
  readonly deliveryTag: number;
  readonly redelivered: boolean;
}

export function receivedOf({ content, fields, properties }: ConsumeMessage, prefix: string): RabbitReceived {
  const headers = properties.headers ?? {};
  const delivery: Delivery = {
    id: text(properties.messageId),
    type: text(properties.type),
    body: content,
    headers: textHeaders(headers),
    routingKey: withoutPrefix(fields.routingKey, prefix),
    sender: text(properties.userId),
    redelivered: fields.redelivered,
    ...deathOf(headers, prefix),
  };
  const count: unknown = headers['x-delivery-count'];
  const attempt = typeof count === 'number' ? count : Number(fields.redelivered);
  return { delivery, attempt, deliveryTag: fields.deliveryTag, redelivered: fields.redelivered };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const withoutPrefix = (name: string, prefix: string): string =>
  name.startsWith(prefix) ? name.slice(prefix.length) : name;

/** The headers of the sender; those of the broker (`x-…`) are not texts or not the sender's. */
function textHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(texts.filter(([name]) => !/^x-(first|last)-death/.test(name)));
}

function deathOf(headers: Readonly<Record<string, unknown>>, prefix: string): Pick<Delivery, 'death'> {
  const queue = headers['x-first-death-queue'];
  const reason = headers['x-first-death-reason'];
  if (typeof queue !== 'string' || typeof reason !== 'string') return {};
  return { death: { queue: withoutPrefix(queue, prefix), reason } };
}
