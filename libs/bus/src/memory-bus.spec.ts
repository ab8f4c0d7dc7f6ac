import { expect, test } from 'vitest';
import { busContract, contractMaxQueueLength } from './bus.contract.js';
import { createMemoryHub } from './memory-hub.js';

busContract('memory', async () => {
  const hub = createMemoryHub({ maxQueueLength: contractMaxQueueLength });
  return {
    connect: async (identity) => hub.connect(identity),
    crash: async (bus) => hub.sever(bus),
    sender: (identity) => identity,
    close: async () => undefined,
  };
});

test('the memory bus says that it is not durable', () => {
  expect(createMemoryHub().connect('worker').durable).toBe(false);
});

test('a message is what it was when it was published', async () => {
  const hub = createMemoryHub();
  const bus = hub.connect('worker');
  const body = Buffer.from('before');
  await bus.declare({ queues: [{ name: 'q', kind: 'durable' }] });
  await bus.publish([{ to: { queue: 'q' }, type: 't', body }]);
  body.write('after!');
  expect(hub.waiting('q')).toBe(1);
  const seen = await new Promise<string>((resolve) => {
    void bus.consume({ name: 'q', kind: 'durable' }, async ([delivery]) => {
      resolve(Buffer.from(delivery?.body ?? []).toString());
      return ['ack'];
    });
  });
  expect(seen).toBe('before');
  await bus.close();
});

test('an exchange cannot change its type', async () => {
  const bus = createMemoryHub().connect('worker');
  await bus.declare({ exchanges: [{ name: 'e', type: 'topic' }] });
  await expect(bus.declare({ exchanges: [{ name: 'e', type: 'direct' }] })).rejects.toMatchObject({
    code: 'failed_precondition',
  });
});
