import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import type { Delivery } from './port.js';
import { decode, messageTo } from './protobuf.js';

const delivery = (type: string, body: Uint8Array): Delivery => ({
  ...{ id: 'm', type, body, headers: {}, routingKey: '', sender: '', redelivered: false },
});

test('a protobuf message travels there and back', () => {
  const sent = messageTo({ queue: 'q' }, TimestampSchema, { seconds: 5n, nanos: 7 }, { id: 'm', expirationMs: 10 });
  expect(sent).toMatchObject({ to: { queue: 'q' }, type: 'google.protobuf.Timestamp', id: 'm', expirationMs: 10 });
  expect(decode(TimestampSchema, delivery(sent.type, sent.body))).toMatchObject({ seconds: 5n, nanos: 7 });
});

test('garbage and other types are invalid_argument', () => {
  const garbage = delivery('google.protobuf.Timestamp', Buffer.from([0xff, 0xff, 0xff]));
  expect(() => decode(TimestampSchema, garbage)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  const other = delivery('google.protobuf.Duration', new Uint8Array());
  expect(() => decode(TimestampSchema, other)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});
