/**
 * A real RabbitMQ for a test: a broker of its own with the users of a cluster, or the one of COGMESH_TEST_AMQP_URL with a
 * name prefix of its own. Where neither can be had it throws a sentence that says what to do; tests never skip for that.
 *
 * On a given broker every service is the one user of the url: who may do what, who the sender is, and kill -9 cannot be
 * tested there.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRabbitServer, type BrokerUser, type RabbitServer } from '@cogmesh/backends';
import { processEnvironment } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';

export interface TestRabbit {
  /** The broker's address with the credentials of a user: `scheduler`, `registry`, `worker`, `policy`, `gateway`, `sidecar`. */
  urlFor(user: string): string;
  /** To be passed to `openRabbit`; empty on a broker of our own. */
  readonly prefix: string;
  /** The management API; undefined on a given broker. */
  readonly adminUrl: string | undefined;
  /** Of the broker's process; undefined when it is not ours. */
  readonly pid: number | undefined;
  /** SIGKILL; `start` brings it back on the same data. Rejects with `failed_precondition` when the broker is not ours. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends the broker and removes its folder. */
  stop(): Promise<void>;
}

export interface TestRabbitOptions {
  /** Other users than those of a cluster. */
  readonly users?: readonly BrokerUser[];
}

export async function startRabbit(options: TestRabbitOptions = {}): Promise<TestRabbit> {
  const environment = processEnvironment();
  const given = environment['COGMESH_TEST_AMQP_URL'];
  return given ? givenBroker(given) : await ownBroker({ ...options, path: environment['PATH'] ?? '' });
}

async function ownBroker(options: TestRabbitOptions & { path: string }): Promise<TestRabbit> {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-rabbitmq-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  const server: RabbitServer = await startRabbitServer({ ...options, dir }).catch(async (thrown: unknown) => {
    await remove();
    throw thrown;
  });
  return {
    urlFor: (user) => server.urlFor(user),
    prefix: '',
    adminUrl: server.adminUrl,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    start: () => server.start(),
    stop: async () => {
      await server.stop();
      await remove();
    },
  };
}

function givenBroker(url: string): TestRabbit {
  const notOurs = async (): Promise<never> => {
    const sentence = 'the broker of COGMESH_TEST_AMQP_URL is not ours to kill; unset it for this test';
    throw new CogmeshError('failed_precondition', sentence);
  };
  return {
    urlFor: () => url,
    prefix: `cogmesh-test-${randomBytes(4).toString('hex')}.`,
    adminUrl: undefined,
    pid: undefined,
    kill: notOurs,
    start: notOurs,
    stop: async () => undefined,
  };
}
