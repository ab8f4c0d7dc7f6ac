import { processEnvironment } from '@cogmesh/config';
import { connect } from 'amqplib';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { notInstalled } from './find.js';
import { startRabbitServer } from './rabbitmq-server.js';

test('a broker starts, keeps durable messages over kill -9, and stops without a trace', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-rabbit-'));
  const server = await startRabbitServer({ dir, path: processEnvironment()['PATH'] ?? '' });
  const pid = server.pid;
  const url = server.urlFor('scheduler');
  const connection = await connect(url);
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('scheduler.test', { durable: true });
  channel.sendToQueue('scheduler.test', Buffer.from('kept'), { persistent: true });
  await channel.waitForConfirms();
  // The broker writes a new queue's record about two seconds late; the message in it was written before its confirm.
  await vi.waitFor(async () => expect(await recorded(dir, 'scheduler.test')).toBe(true), { timeout: 15_000 });
  await server.kill();
  expect(() => process.kill(pid, 0)).toThrow();
  await server.start();
  expect(server.pid).not.toBe(pid);
  expect(server.urlFor('scheduler')).toBe(url);
  const again = await connect(url);
  again.on('error', () => undefined);
  const kept = await (await again.createChannel()).get('scheduler.test', { noAck: true });
  expect(kept && kept.content.toString()).toBe('kept');
  await again.close();
  await server.stop();
  const successor = await startRabbitServer({ dir, path: processEnvironment()['PATH'] ?? '' });
  expect(new URL(successor.urlFor('worker')).password).toBe(new URL(server.urlFor('worker')).password);
  await successor.stop();
  expect(() => process.kill(successor.pid, 0)).toThrow();
  await rm(dir, { recursive: true, force: true });
}, 180_000);

/** Whether the broker's tables on disk name the queue. */
async function recorded(dir: string, queue: string): Promise<boolean> {
  const folder = join(dir, 'data', 'cogmesh@localhost');
  const tables = (await readdir(folder)).filter((file) => /^LATEST\.LOG$|^rabbit_durable_queue\.DC[DL]$/.test(file));
  const contents = await Promise.all(tables.map((file) => readFile(join(folder, file), 'latin1')));
  return contents.some((content) => content.includes(queue));
}

test('a machine without RabbitMQ gets one sentence that says what to do', () => {
  const error = notInstalled('RabbitMQ', 'rabbitmq-server', 'COGMESH_TEST_AMQP_URL');
  expect(error).toMatchObject({ code: 'unavailable', details: { variable: 'COGMESH_TEST_AMQP_URL' } });
  expect(error.message).toMatch(/rabbitmq-server.*COGMESH_TEST_AMQP_URL/);
});
