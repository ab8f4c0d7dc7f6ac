import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProcessFleet } from './process-fleet.js';

/** Notes that it is up, and that it has drained before it leaves. */
const agent = `
  const { writeFileSync, existsSync } = require('node:fs');
  const note = (what) => writeFileSync(process.env.NOTES + '/' + process.pid + '.' + what, JSON.stringify(process.env));
  process.on('SIGTERM', () => { note('drained'); if (!process.env.STUBBORN) process.exit(0); });
  setInterval(() => {}, 1000);
  note('up');
`;

let dir: string;
let fleets: ProcessFleet[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-fleet-'));
  fleets = [];
});
afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  await rm(dir, { recursive: true, force: true });
});

const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });
const noted = async (what: string) =>
  (await readdir(dir)).filter((name) => name.endsWith(`.${what}`)).map((name) => Number.parseInt(name, 10));
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function open(over: { command?: string[]; environment?: Record<string, string>; stopGraceMs?: number } = {}) {
  const fleet = await ProcessFleet.open({
    name: 'render',
    command: [process.execPath, '-e', agent],
    directory: undefined,
    stopGraceMs: 5_000,
    pidsDir: join(dir, 'pids'),
    logger: createLogger({ level: 'silent' }),
    ...over,
    environment: { NOTES: dir, ...over.environment },
  });
  fleets.push(fleet);
  return fleet;
}

const upAndRunning = (fleet: ProcessFleet, count: number) =>
  eventually(async () => {
    const up = await noted('up');
    const pids = fleet.pids.filter((pid) => up.includes(pid) && isAlive(pid));
    expect(pids).toHaveLength(count);
    return pids;
  });

describe('agents as processes', () => {
  it('are started and told to drain, the newest first', async () => {
    const fleet = await open();
    expect(await fleet.count()).toBe(0);
    await fleet.scale(2);
    const [first, second] = await upAndRunning(fleet, 2);
    await fleet.scale(1);
    expect(await fleet.count()).toBe(1);
    await eventually(async () => expect(await noted('drained')).toEqual([second]));
    expect(fleet.pids).toEqual([first]);
    expect(isAlive(first ?? 0)).toBe(true);
  });

  it('get nothing of the environment but what they are given', async () => {
    const fleet = await open({ environment: { TOKEN: 'x' } });
    await fleet.scale(1);
    const [pid] = await upAndRunning(fleet, 1);
    // The file is there a moment before its content is.
    const text = () => readFile(join(dir, `${pid}.up`), 'utf8');
    const environment = await eventually(async () => JSON.parse(await text()) as Record<string, string>);
    expect(environment).toMatchObject({ TOKEN: 'x' });
    expect(Object.keys(environment).sort()).toEqual(['COGMESH_POOL_MARK', 'NOTES', 'TOKEN']);
  });

  it('that end unasked are started again', async () => {
    const fleet = await open();
    await fleet.scale(1);
    const [pid] = await upAndRunning(fleet, 1);
    process.kill(pid ?? 0, 'SIGKILL');
    const [next] = await eventually(async () => {
      const pids = await upAndRunning(fleet, 1);
      expect(pids).not.toEqual([pid]);
      return pids;
    });
    expect(isAlive(next ?? 0)).toBe(true);
  });

  it('that cannot be started do no harm', async () => {
    const fleet = await open({ command: [join(dir, 'nothing')] });
    await fleet.scale(1);
    await eventually(() => expect(fleet.pids).toEqual([]));
    await fleet.stop();
  });

  it('that do not leave are killed after their grace', async () => {
    const fleet = await open({ environment: { STUBBORN: '1' }, stopGraceMs: 200 });
    await fleet.scale(1);
    const [pid] = await upAndRunning(fleet, 1);
    await fleet.scale(0);
    await eventually(() => expect(isAlive(pid ?? 0)).toBe(false));
    expect(await noted('drained')).toEqual([pid]);
  });

  it('that outlived a scheduler are told to leave by the next, and nobody else is', async () => {
    const first = await open();
    await first.scale(1);
    const [pid] = await upAndRunning(first, 1);
    const stranger = spawn(process.execPath, ['-e', agent], { env: { NOTES: dir } });
    try {
      await eventually(async () => expect(await noted('up')).toContain(stranger.pid));
      await eventually(async () => expect(await readdir(join(dir, 'pids'))).toEqual([String(pid)]));
      await writeFile(join(dir, 'pids', String(stranger.pid)), '');
      const next = await open();
      await eventually(async () => expect(await noted('drained')).toEqual([pid]));
      expect(isAlive(stranger.pid ?? 0)).toBe(true);
      expect(await next.count()).toBe(0);
    } finally {
      stranger.kill('SIGKILL');
    }
  });
});
