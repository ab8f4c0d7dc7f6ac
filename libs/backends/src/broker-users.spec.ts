/** The permission table, tried on a real broker: each service can do its work and cannot do its neighbour's. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processEnvironment } from '@cogmesh/config';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administrator, brokerDefinitions, brokerPasswordHash } from './broker-definitions.js';
import { serviceUsers } from './broker-users.js';
import { startRabbitServer, type RabbitServer } from './rabbitmq-server.js';

let server: RabbitServer;
let dir: string;
const connections = new Map<string, ChannelModel>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-users-'));
  server = await startRabbitServer({ dir, path: processEnvironment()['PATH'] ?? '' });
  for (const { name } of serviceUsers) {
    const connection = await connect(server.urlFor(name));
    connection.on('error', () => undefined);
    connections.set(name, connection);
  }
  for (const [user, queue] of ownQueues) await as(user, (channel) => declareWork(channel, queue));
}, 180_000);

afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await server.stop();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

const ownQueues = [
  ['scheduler', 'scheduler.results'],
  ['scheduler', 'inference_tasks.script'],
  ['worker', 'agent.a1.work'],
  ['registry', 'agent.a2.work'],
] as const;

/** As the bus declares a durable queue: with a dead-letter queue behind the default exchange. */
async function declareWork(channel: Channel, name: string): Promise<void> {
  await channel.assertQueue(`${name}.dead`, { arguments: { 'x-queue-type': 'quorum' } });
  await channel.assertQueue(name, {
    arguments: {
      'x-queue-type': 'quorum',
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': `${name}.dead`,
    },
  });
}

async function as(user: string, act: (channel: Channel) => Promise<unknown>): Promise<void> {
  const channel = await connections.get(user)?.createConfirmChannel();
  if (channel === undefined) throw new RangeError(`no user ${user}`);
  channel.on('error', () => undefined);
  await act(channel);
  await channel.close();
}

const send = (exchange: string, key: string) => (channel: Channel) =>
  new Promise<void>((resolve, reject) => {
    channel.once('error', reject);
    const confirming = channel as Channel & { waitForConfirms(): Promise<void> };
    channel.publish(exchange, key, Buffer.from('x'));
    confirming.waitForConfirms().then(resolve, () => undefined);
  });

const take = (queue: string) => (channel: Channel) => channel.get(queue, { noAck: false });
const declare = (queue: string) => (channel: Channel) => declareWork(channel, queue);
const listen = (queue: string, exchange: string) => async (channel: Channel) => {
  await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false });
  await channel.bindQueue(queue, exchange, '#');
};

const allowed = {
  'scheduler publishes work to an agent': ['scheduler', send('', 'agent.a1.work')],
  'scheduler declares the shared queue of a capability': ['scheduler', declare('inference_tasks.model_x')],
  'scheduler takes results': ['scheduler', take('scheduler.results')],
  'scheduler takes the dead letters of work': ['scheduler', take('agent.a1.work.dead')],
  'scheduler publishes events': ['scheduler', send('scheduler.events', 'run.state')],
  'scheduler hears of agents': ['scheduler', listen('scheduler.on-agents', 'registry.events')],
  'worker reports results': ['worker', send('', 'scheduler.results')],
  'worker takes its work': ['worker', take('agent.a1.work')],
  'worker takes shared work': ['worker', take('inference_tasks.script')],
  'registry takes the work of SDK agents': ['registry', take('agent.a2.work')],
  'registry reports results': ['registry', send('', 'scheduler.results')],
  'registry publishes events': ['registry', send('registry.events', 'agent.lost')],
  'policy publishes events': ['policy', send('policy.events', 'bundle.changed')],
  'gateway hears of runs': ['gateway', listen('gateway.wake', 'scheduler.events')],
  'sidecar hears of policies': ['sidecar', listen('sidecar.wake', 'policy.events')],
} as const;

const refused = {
  'worker takes results': ['worker', take('scheduler.results')],
  'worker declares a queue of the scheduler': ['worker', declare('scheduler.mine')],
  'worker publishes scheduler events': ['worker', send('scheduler.events', 'run.state')],
  'registry publishes policy events': ['registry', send('policy.events', 'bundle.changed')],
  'registry takes results': ['registry', take('scheduler.results')],
  'scheduler publishes registry events': ['scheduler', send('registry.events', 'agent.lost')],
  'gateway publishes to a queue': ['gateway', send('', 'scheduler.results')],
  'gateway takes work': ['gateway', take('inference_tasks.script')],
  'gateway publishes events': ['gateway', send('scheduler.events', 'run.state')],
  'policy publishes to a queue': ['policy', send('', 'agent.a1.work')],
  'policy takes work': ['policy', take('agent.a1.work')],
  'sidecar publishes policy events': ['sidecar', send('policy.events', 'bundle.changed')],
  'sidecar hears of runs': ['sidecar', listen('sidecar.wake', 'scheduler.events')],
} as const;

describe('allowed', () => {
  test.each(Object.entries(allowed))('%s', async (_, [user, act]) => {
    await expect(as(user, act)).resolves.toBeUndefined();
  });
});

describe('refused', () => {
  test.each(Object.entries(refused))('%s', async (_, [user, act]) => {
    await expect(as(user, act)).rejects.toThrow(/ACCESS_REFUSED/);
  });
});

test('the template in deploy/rabbitmq is what a broker of ours loads', async () => {
  const file = join(import.meta.dirname, '../../../deploy/rabbitmq/definitions.template.json');
  const template: unknown = JSON.parse(await readFile(file, 'utf8'));
  const placeholder = (user: string) => `\${${user.toUpperCase()}_PASSWORD_HASH}`;
  expect(template).toEqual(brokerDefinitions([...serviceUsers, administrator], placeholder));
});

test('the README in deploy/rabbitmq shows every permission as it is', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../deploy/rabbitmq/README.md'), 'utf8');
  const readme = text.replaceAll(/ +/g, ' ');
  for (const { name, configure, write, read } of serviceUsers) {
    const cells = [name, configure, write, read].map((cell) => `\`${cell.replaceAll('|', String.raw`\|`)}\``);
    expect(readme).toContain(`| ${cells.join(' | ')} |`);
  }
});

test('password hashes are salted SHA-256', () => {
  // The worked example of RabbitMQ's documentation (rabbitmq.com/docs/passwords).
  expect(brokerPasswordHash('test12', Buffer.from('908DC60A', 'hex'))).toBe(
    'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR',
  );
});
