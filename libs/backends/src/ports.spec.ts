import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePorts } from './ports.js';

it('answers different ports that a server can have', async () => {
  const ports = await freePorts(30);
  expect(new Set(ports).size).toBe(30);
  for (const port of ports) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => server.close(resolve));
  }
});

it('answers none that an outgoing connection may be given', async () => {
  expect(Math.max(...(await freePorts(200)))).toBeLessThan(32_768);
});
