/** Servers of the peers' own, durable as ours are. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts, startPostgresServer, startRabbitServer } from '@cogmesh/backends';

export async function startPostgres(folder) {
  const dir = await mkdtemp(join(folder, 'postgres-'));
  const server = await startPostgresServer({ dir, path: process.env.PATH });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      // As root it may be elsewhere, where its own user can get to it.
      for (const folder of [dir, server.dir]) await rm(folder, { recursive: true, force: true });
    },
  };
}

const everything = { configure: '.*', write: '.*', read: '.*' };

/** A broker for the work, and Redis for what a fan-in waits for. */
export async function startRabbitAndRedis(folder) {
  const dir = await mkdtemp(join(folder, 'rabbitmq-'));
  const redis = await startRedis(folder);
  const stop = async () => {
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const users = [{ name: 'peer', ...everything }];
    const rabbit = await startRabbitServer({ dir, path: process.env.PATH, users });
    return {
      url: rabbit.urlFor('peer'),
      redisUrl: `${redis.url}/0`,
      stop: async () => {
        await rabbit.stop();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function startRedis(folder) {
  const dir = await mkdtemp(join(folder, 'redis-'));
  const [port] = await freePorts(1);
  const flags = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always'];
  const child = spawn('redis-server', [...flags.map(String), '--save', ''], { stdio: 'ignore' });
  const failed = new Promise((_, reject) =>
    child.once('error', (error) =>
      reject(
        error.code === 'ENOENT' ? new Error('redis-server is not installed (apt-get install redis-server)') : error,
      ),
    ),
  );
  failed.catch(() => {});
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await Promise.race([failed, answering(port)]);
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function answering(port) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await delay(50);
  }
  throw new Error('redis-server does not listen');
}
