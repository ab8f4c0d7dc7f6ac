/** Protobuf bodies: a message of the contracts to an outgoing message, and a delivery back to it. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { CogmeshError } from '@cogmesh/errors';
import type { Delivery, OutgoingMessage } from './port.js';

/** An outgoing message whose type and body come from a schema and its value. */
export function messageTo<Schema extends DescMessage>(
  to: OutgoingMessage['to'],
  schema: Schema,
  value: MessageInitShape<Schema>,
  extra: Pick<OutgoingMessage, 'id' | 'headers' | 'expirationMs'> = {},
): OutgoingMessage {
  return { ...extra, to, type: schema.typeName, body: toBinary(schema, create(schema, value)) };
}

/** The body of a delivery. Throws `invalid_argument` for another type or garbage; the right verdict is then `dead`. */
export function decode<Schema extends DescMessage>(schema: Schema, delivery: Delivery): MessageShape<Schema> {
  const evidence = { message: delivery.id, type: delivery.type, expected: schema.typeName };
  if (delivery.type !== schema.typeName) {
    throw new CogmeshError('invalid_argument', `expected a ${schema.typeName}, got "${delivery.type}"`, evidence);
  }
  try {
    return fromBinary(schema, delivery.body);
  } catch (cause) {
    throw new CogmeshError('invalid_argument', `the body is not a ${schema.typeName}`, evidence, { cause });
  }
}
