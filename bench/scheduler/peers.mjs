/**
 * The peers, each installed by this script into a scratch folder outside the repository and measured in a process of its own:
 * the same chain, fan-out and count of no-op tasks, with two workers, on a server of its own with durable settings. A peer
 * that cannot be had is reported with the reason.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = join(import.meta.dirname, 'peers');
const LIMIT_MS = 600_000;

/** `durability` is what an acknowledged job survives. */
export const peers = {
  'pg-boss': {
    packages: { 'pg-boss': '12.38.0' },
    durability: 'PostgreSQL, synchronous_commit on, fsync on',
  },
  'graphile-worker': {
    packages: { 'graphile-worker': '0.18.0', pg: '8.23.1' },
    durability: 'PostgreSQL, synchronous_commit on, fsync on',
  },
  bullmq: {
    packages: { bullmq: '6.7.0', ioredis: '6.0.0' },
    durability: 'Redis, appendonly yes, appendfsync always',
  },
};

async function installed(name) {
  const folder = join(tmpdir(), 'cogmesh-bench-peers', name);
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: `peer-${name}`, private: true, type: 'module', dependencies: peers[name].packages }),
  );
  await cp(join(here, `${name}.mjs`), join(folder, 'peer.mjs'));
  await cp(join(here, 'measure.mjs'), join(folder, 'measure.mjs'));
  await cp(join(here, 'locks', `${name}.json`), join(folder, 'package-lock.json'));
  await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder, timeout: LIMIT_MS });
  return folder;
}

export async function measurePeers({ only, say }) {
  const results = {};
  for (const name of only ?? Object.keys(peers)) {
    try {
      const folder = await installed(name);
      const backend = await startBackend(name, folder);
      try {
        const options = { cwd: folder, timeout: LIMIT_MS, env: { ...process.env, PEER_URL: backend.url } };
        const { stdout } = await run(process.execPath, ['--no-warnings', 'peer.mjs'], options);
        results[name] = { durability: peers[name].durability, ...JSON.parse(stdout.trim().split('\n').at(-1)) };
      } finally {
        await backend.stop();
      }
    } catch (error) {
      results[name] = { absent: reasonOf(error) };
    }
    say(name, results[name]);
  }
  return results;
}

function reasonOf(error) {
  const lines = String(error.stderr || error.message)
    .trim()
    .split('\n');
  return (lines.find((line) => /error/i.test(line)) ?? lines[0]).slice(0, 300);
}

async function startBackend(name, folder) {
  const { startPostgres, startRedis } = await import('./peers/backends.mjs');
  return name === 'bullmq' ? startRedis(folder) : startPostgres(folder);
}
