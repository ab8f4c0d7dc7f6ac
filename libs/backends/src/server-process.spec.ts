import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { ServerProcess } from './server-process.js';

const command = { name: 'sleeper', file: '/bin/sleep', args: ['600'], environment: {}, cwd: '/' };

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('ends when it is asked to', async () => {
  const server = new ServerProcess(command);
  expect(server.running).toBe(true);
  await server.end('SIGTERM', 5000);
  expect(server.running).toBe(false);
  expect(alive(server.pid)).toBe(false);
});

test('a program that ignores the request is made to end', async () => {
  const stubborn = new ServerProcess({
    ...command,
    file: '/bin/sh',
    args: ['-c', 'trap "" TERM; echo up; while :; do sleep 1; done'],
  });
  await stubborn.end('SIGTERM', 200);
  expect(alive(stubborn.pid)).toBe(false);
});

test('what never gets ready is told with its last words', async () => {
  const failing = new ServerProcess({ ...command, file: '/bin/sh', args: ['-c', 'echo no room >&2; exit 3'] });
  const ready = failing.untilReady(async () => false, 5000);
  await expect(ready).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('no room') });
  const missing = new ServerProcess({ ...command, file: '/nonexistent/program' });
  await expect(missing.untilReady(async () => false, 5000)).rejects.toMatchObject({ code: 'unavailable' });
});

test('kill -9 of the owner does not leave the server behind', async () => {
  const owner = fork(fileURLToPath(new URL('./server-owner.fixture.ts', import.meta.url)), {
    execArgv: ['--conditions=@cogmesh/source', '--import=tsx'],
  });
  const [pid] = (await once(owner, 'message')) as [number];
  expect(alive(pid)).toBe(true);
  owner.kill('SIGKILL');
  await vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 10_000 });
});
