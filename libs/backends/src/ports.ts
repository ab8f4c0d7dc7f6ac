/**
 * Free TCP ports on loopback. They are taken from below the range out of which systems give ports to outgoing connections: a
 * server that is started again must find its port free, and nobody's connection may have it meanwhile.
 */
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { CogmeshError } from '@cogmesh/errors';

/** Linux gives out 32,768 and above, others start higher. */
const firstPort = 15_000;
const endPort = 32_000;

/** All different. They are held together while being chosen, then given up. Rejects with `unavailable` when there are none. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  // A random start keeps apart those who choose at the same time.
  const start = randomInt(firstPort, endPort);
  for (let tried = 0; held.size < count && tried < endPort - firstPort; tried += 1) {
    const port = firstPort + ((start - firstPort + tried) % (endPort - firstPort));
    const server = await listen(port);
    if (server) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  if (held.size === count) return [...held.keys()];
  throw new CogmeshError('unavailable', `there are no ${count} free ports from ${firstPort} to ${endPort}`);
}

/** Undefined when the port is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined)).listen(port, '127.0.0.1', () => resolve(server));
  });
}
