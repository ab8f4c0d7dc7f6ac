import { processEnvironment } from '@cogmesh/config';
import { connect, type ConfirmChannel } from 'amqplib';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { notInstalled } from './find.js';
import { startRabbitServer } from './rabbitmq-server.js';

const path = processEnvironment()['PATH'] ?? '';

async function withChannel<T>(url: string, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(url);
  connection.on('error', () => undefined);
  const result = await work(await connection.createConfirmChannel());
  await connection.close();
  return result;
}

/** A message that was looked at and not acknowledged returns to its queue in a moment. */
const expectKept = (url: string) =>
  vi.waitFor(async () => expect(await withChannel(url, peek)).toBe('kept'), { timeout: 15_000, interval: 100 });

const peek = (channel: ConfirmChannel) => channel.get('scheduler.test').then((got) => got && got.content.toString());

test('a broker keeps its messages, url and users over stop, kill -9 and a new owner, and leaves nothing running', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-rabbit-'));
  const server = await startRabbitServer({ dir, path });
  const url = server.urlFor('scheduler');
  await withChannel(url, async (channel) => {
    await channel.assertQueue('scheduler.test', { arguments: { 'x-queue-type': 'quorum' } });
    channel.sendToQueue('scheduler.test', Buffer.from('kept'), { persistent: true });
    await channel.waitForConfirms();
  });
  await server.stop();
  await server.start();
  await expectKept(url);
  const { pid } = server;
  await server.kill();
  expect(() => process.kill(pid, 0)).toThrow();
  await server.start();
  expect(server.pid).not.toBe(pid);
  expect(server.urlFor('scheduler')).toBe(url);
  await expectKept(url);
  await server.stop();
  const successor = await startRabbitServer({ dir, path });
  await expectKept(successor.urlFor('scheduler'));
  await successor.stop();
  expect(() => process.kill(successor.pid, 0)).toThrow();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

test('a machine without RabbitMQ gets one sentence that says what to do', () => {
  const error = notInstalled('RabbitMQ', 'rabbitmq-server', 'COGMESH_TEST_AMQP_URL');
  expect(error).toMatchObject({ code: 'unavailable', details: { variable: 'COGMESH_TEST_AMQP_URL' } });
  expect(error.message).toMatch(/rabbitmq-server.*COGMESH_TEST_AMQP_URL/);
});
