/**
 * What every message carries besides its body: an id, and the attributes of CloudEvents in binary mode (its AMQP binding
 * is for 1.0, so this is by analogy on 0-9-1) as string headers, and the trace context.
 */
import { randomUUID } from 'node:crypto';
import type { OutgoingMessage } from './port.js';
import { withTraceContext } from './tracing.js';

export const contentType = 'application/protobuf';

export interface Envelope {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Completes a message of this identity (the CloudEvents source is `/cogmesh/<identity>`). */
export function seal(message: OutgoingMessage, identity: string): Envelope {
  const id = message.id ?? randomUUID();
  const headers = {
    ...withTraceContext(message.headers ?? {}),
    'cloudEvents:specversion': '1.0',
    'cloudEvents:id': id,
    'cloudEvents:type': message.type,
    'cloudEvents:source': `/cogmesh/${identity}`,
    'cloudEvents:time': new Date().toISOString(),
  };
  return { id, headers };
}
