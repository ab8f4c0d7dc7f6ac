/**
 * The bus against a real RabbitMQ: our own, or the one of COGMESH_TEST_AMQP_URL (any user that may do everything; names get a
 * prefix). On a given broker the outage is a cut connection instead of kill -9, and both identities are one user.
 */
import { startRabbitServer, type RabbitServer } from '@cogmesh/backends';
import { processEnvironment } from '@cogmesh/config';
import { connect } from 'amqplib';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { busContract, contractMaxQueueLength } from './bus.contract.js';
import type { Bus, Delivery, Queue } from './port.js';
import { deadQueueOf } from './port.js';
import { openRabbit } from './rabbit-bus.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.fixture.js';

const given = processEnvironment()['COGMESH_TEST_AMQP_URL'];
const prefix = `cogmesh-test-${randomBytes(4).toString('hex')}.`;
const everything = { configure: '.*', write: '.*', read: '.*' };
const limits = { closeTimeoutMs: 500, outageWaitMs: 500, newQueueSettleMs: 0, maxQueueLength: contractMaxQueueLength };
/** With the wait that makes new queues survive kill -9 at once. */
const { newQueueSettleMs: _, ...settledLimits } = limits;

let server: RabbitServer | undefined;
let dir = '';

beforeAll(async () => {
  if (given) return;
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-bus-'));
  const users = [{ name: 'alice', ...everything }, { name: 'bob', ...everything }]; // prettier-ignore
  server = await startRabbitServer({ dir, users, path: processEnvironment()['PATH'] ?? '' });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  if (dir) await rm(dir, { recursive: true, force: true });
}, 60_000);

const urlOf = (user: string): string => given ?? server?.urlFor(user) ?? '';

async function proxied(user: string): Promise<{ proxy: TcpProxy; url: string }> {
  const url = new URL(urlOf(user));
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5672) });
  url.host = `127.0.0.1:${proxy.port}`;
  return { proxy, url: url.href };
}

busContract('rabbitmq', async () => {
  const proxies = new Map<Bus, TcpProxy>();
  return {
    connect: async (identity) => {
      const { proxy, url } = await proxied(identity);
      const bus = await openRabbit({ url, identity, prefix, limits });
      proxies.set(bus, proxy);
      return bus;
    },
    crash: async (bus) => {
      await proxies.get(bus)?.cut();
      await bus.close();
    },
    sender: (identity) => decodeURIComponent(new URL(urlOf(identity)).username),
    close: async () => void (await Promise.all([...proxies.values()].map((proxy) => proxy.cut()))),
  };
});

const waitFor = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const text = ({ body }: Delivery) => Buffer.from(body).toString();
const message = (queue: Queue, body: string) => ({ to: { queue: queue.name }, type: 'test', body: Buffer.from(body) });

describe('losing the broker', () => {
  let bus: Bus;
  let proxy: TcpProxy;
  const warnings: string[] = [];
  const logger = { info: () => undefined, warn: (_: object, sentence: string) => void warnings.push(sentence) };

  const outage = {
    begin: async () => (server ? server.kill() : proxy.cut()),
    end: async () => (server ? server.start() : proxy.mend()),
  };

  beforeAll(async () => {
    const opened = await proxied('alice');
    proxy = opened.proxy;
    bus = await openRabbit({ url: opened.url, identity: 'alice', prefix, limits: settledLimits, logger });
  });

  afterAll(async () => {
    await bus.close();
    await proxy.cut();
  });

  test('kill -9 and restart: nothing durable is lost, consuming goes on, publishing meanwhile is refused promptly', async () => {
    const kept: Queue = { name: 'bus.kept', kind: 'durable' };
    const events = { name: 'bus.restart-events', type: 'topic' } as const;
    const hints: Queue = { name: 'bus.hints', kind: 'transient', bindings: [{ exchange: events, routingKey: '#' }] };
    const [got, hinted]: [string[], string[]] = [[], []];
    await bus.declare({ queues: [kept] });
    await bus.publish([message(kept, 'before the crash')]);
    await bus.consume(hints, async (all) => all.map((delivery) => (hinted.push(text(delivery)), 'ack'))); // prettier-ignore
    await outage.begin();
    await waitFor(() => expect(warnings).toContain('RabbitMQ connection lost'));
    const startedAt = Date.now();
    await expect(bus.publish([message(kept, 'during')])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(bus.ping()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(bus.consume(kept, async () => [])).rejects.toMatchObject({ code: 'unavailable' });
    expect(Date.now() - startedAt).toBeLessThan(5000);
    await outage.end();
    await waitFor(() => bus.ping());
    await bus.consume(kept, async (all) => all.map((delivery) => (got.push(text(delivery)), 'ack'))); // prettier-ignore
    await waitFor(() => bus.publish([message(kept, 'after')]));
    await bus.publish([{ to: { exchange: events, routingKey: 'hint' }, type: 'test', body: Buffer.from('wake up') }]);
    await waitFor(() => expect([got, hinted]).toEqual([['before the crash', 'after'], ['wake up']])); // prettier-ignore
  }, 180_000);

  test('a consumer that was busy in the crash gets its work again', async () => {
    const queue: Queue = { name: 'bus.busy', kind: 'durable' };
    const seen: boolean[] = [];
    let release = (): void => undefined;
    const consumer = await bus.consume(queue, async (all) => {
      seen.push(...all.map(({ redelivered }) => redelivered));
      if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return all.map(() => 'ack');
    });
    await bus.publish([message(queue, 'work')]);
    await waitFor(() => expect(seen).toEqual([false]));
    await outage.begin();
    await outage.end();
    await waitFor(() => expect(seen).toEqual([false, true]));
    release();
    await consumer.stop();
  }, 180_000);

  test('a consumer whose queue is deleted declares it again', async () => {
    const queue: Queue = { name: 'bus.deleted', kind: 'durable', expiresMs: 60_000 };
    const got: string[] = [];
    const consumer = await bus.consume(queue, async (all) => all.map((delivery) => (got.push(text(delivery)), 'ack'))); // prettier-ignore
    const connection = await connect(urlOf('alice'));
    await (await connection.createChannel()).deleteQueue(`${prefix}${queue.name}`);
    await waitFor(() => bus.publish([message(queue, 'again')]));
    await waitFor(() => expect(got).toEqual(['again']));
    await consumer.stop();
    await connection.close();
  });
});

describe('what only a broker can refuse', () => {
  test('a sender cannot be forged: the broker closes the channel that claims another user', async () => {
    const connection = await connect(urlOf('alice'));
    const channel = await connection.createConfirmChannel();
    const refused = new Promise<Error>((resolve) => channel.once('error', resolve));
    await channel.assertQueue(`${prefix}bus.forged`, { exclusive: true });
    channel.sendToQueue(`${prefix}bus.forged`, Buffer.from('x'), { userId: 'scheduler' });
    expect((await refused).message).toMatch(/PRECONDITION_FAILED.*user_id property set to 'scheduler'/);
    await connection.close();
  });

  test('a queue that exists with other arguments is failed_precondition, and the bus goes on', async () => {
    const bus = await openRabbit({ url: urlOf('alice'), identity: 'alice', prefix, limits });
    await bus.declare({ queues: [{ name: 'bus.args', kind: 'durable', deliveryLimit: 2 }] });
    const other: Queue = { name: 'bus.args', kind: 'durable', deliveryLimit: 5 };
    await expect(bus.declare({ queues: [other] })).rejects.toMatchObject({ code: 'failed_precondition' });
    await expect(bus.publish([message(deadQueueOf(other), 'still works')])).resolves.toBeUndefined();
    await bus.close();
  });

  test('a refused login is told at once', async () => {
    const url = new URL(urlOf('alice'));
    url.password = 'wrong';
    const opening = openRabbit({ url: url.href, identity: 'alice', limits: { connectTimeoutMs: 20_000 } });
    await expect(opening).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ACCESS_REFUSED'),
    });
  });

  test('an address where nobody listens is unavailable within the limit', async () => {
    const opening = openRabbit({ url: 'amqp://a:b@127.0.0.1:1', identity: 'alice', limits: { connectTimeoutMs: 400 } });
    await expect(opening).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    await expect(openRabbit({ url: 'not a url', identity: 'alice' })).rejects.toMatchObject({ code: 'invalid_config' });
  });
});
