/**
 * The peers, each installed by this script into a scratch folder outside the repository and measured in a process of its own:
 * the same chain, fan-out and count of no-op tasks, on servers of its own with durable settings. What a peer has not
 * measured within its time is left out; a peer that cannot be had is reported with the reason.
 */
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres, startRabbitAndRedis, startRedis } from './peers/backends.mjs';

const run = promisify(execFile);
const here = join(import.meta.dirname, 'peers');
const INSTALL_LIMIT_MS = 600_000;
/** Start and end included. */
const MEASURE_LIMIT_MS = 120_000;

const inPostgres = 'PostgreSQL, synchronous_commit on, fsync on';
const quietly = { DO_NOT_TRACK: '1', SCARF_ANALYTICS: 'false' };

/**
 * `durability`: what an acknowledged task survives; `isDurable`: that this is a crash of the machine, as with ours.
 * `start` begins the servers and says in which environment the peer runs.
 */
const peers = {
  bullmq: {
    packages: { bullmq: '6.7.0', ioredis: '6.0.0' },
    durability: 'Redis, appendonly yes, appendfsync always',
    isDurable: true,
    start: startRedis,
  },
  'graphile-worker': {
    packages: { 'graphile-worker': '0.18.0', pg: '8.23.1' },
    durability: inPostgres,
    isDurable: true,
    start: startPostgres,
  },
  'pg-boss': {
    packages: { 'pg-boss': '12.38.0' },
    durability: inPostgres,
    isDurable: true,
    start: startPostgres,
  },
  celery: {
    python: true,
    durability:
      'RabbitMQ quorum queues, publisher confirms, late acks; results of a fan-in in Redis, appendfsync always',
    isDurable: true,
    start: startRabbitAndRedis,
  },
  luigi: {
    python: true,
    durability: 'files of finished tasks, not synced; what is scheduled is in the memory of luigid',
    isDurable: false,
    start: () => ({ stop: () => {} }),
  },
  prefect: {
    python: true,
    durability: 'states of tasks in PostgreSQL, sent after the fact; a flow is its process',
    isDurable: false,
    start: startPostgres,
    environment: ({ url, folder }) => ({
      PREFECT_HOME: join(folder, 'home'),
      PREFECT_API_DATABASE_CONNECTION_URL: url.replace('postgres:', 'postgresql+asyncpg:'),
      PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
      PREFECT_LOGGING_LEVEL: 'ERROR',
    }),
  },
  airflow: {
    python: true,
    durability: inPostgres,
    isDurable: true,
    start: startPostgres,
    environment: ({ url, folder }) => ({
      AIRFLOW_HOME: join(folder, 'home'),
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: url.replace('postgres:', 'postgresql+psycopg2:'),
      AIRFLOW__CORE__EXECUTOR: 'LocalExecutor',
      AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
      AIRFLOW__USAGE_DATA_COLLECTION__ENABLED: 'False',
      AIRFLOW__API_AUTH__JWT_SECRET:
        'a secret of this benchmark, used on loopback only, long enough for HS512 to be content',
      PYTHONPATH: folder,
    }),
  },
};

export const peerNames = Object.keys(peers);

/** Installs each and says which can be had, so that nothing is downloaded between measurements. */
export async function installPeers({ only = peerNames, tell }) {
  const ready = new Map();
  const results = {};
  for (const name of only) {
    try {
      ready.set(name, await installed(name));
    } catch (error) {
      results[name] = tell(name, { absent: reasonOf(error) });
    }
  }
  return { ready, results };
}

/** A new folder per name, kept for the next time while the lock is the same. */
async function installed(name) {
  const folder = join(tmpdir(), 'cogmesh-bench-peers', name);
  const { python, packages } = peers[name];
  const lockFile = join(here, 'locks', python ? `${name}.txt` : `${name}.json`);
  const lock = await readFile(lockFile, 'utf8');
  const marker = join(folder, 'installed');
  const isInstalled = (await readFile(marker, 'utf8').catch(() => '')) === lock;
  if (!isInstalled) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  if (!isInstalled)
    await (python ? installPython(folder, lockFile) : installNode(folder, { name, packages, lockFile }));
  const ending = python ? 'py' : 'mjs';
  await cp(join(here, `${name}.${ending}`), join(folder, `peer.${ending}`));
  await cp(join(here, `measure.${ending}`), join(folder, `measure.${ending}`));
  await writeFile(marker, lock);
  return folder;
}

async function installNode(folder, { name, packages, lockFile }) {
  const manifest = { name: `peer-${name}`, private: true, type: 'module', dependencies: packages };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await cp(lockFile, join(folder, 'package-lock.json'));
  const npm = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', npm, { cwd: folder, timeout: INSTALL_LIMIT_MS });
}

async function installPython(folder, lockFile) {
  await run('python3', ['-m', 'venv', join(folder, 'venv')], { timeout: INSTALL_LIMIT_MS });
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '-r', lockFile];
  await run(join(folder, 'venv/bin/python'), pip, { timeout: INSTALL_LIMIT_MS, maxBuffer: 2 ** 26 });
}

/** One peer's figures. */
export async function measurePeer(name, folder) {
  const { start, durability, isDurable } = peers[name];
  try {
    const backend = await start(folder);
    try {
      return { durability, equal_durability: isDurable, ...(await figuresOf(name, folder, backend)) };
    } finally {
      await backend.stop();
    }
  } catch (error) {
    return { absent: reasonOf(error) };
  }
}

async function figuresOf(name, folder, { url = '', redisUrl = '' }) {
  const { python, environment = () => ({}) } = peers[name];
  const marks = join(folder, 'marks');
  for (const left of [marks, join(folder, 'home')]) await rm(left, { recursive: true, force: true });
  await mkdir(marks);
  const env = {
    ...process.env,
    ...quietly,
    PEER_URL: url,
    PEER_REDIS_URL: redisUrl,
    PEER_MARKS: marks,
    ...environment({ url, folder }),
  };
  const command = python
    ? [join(folder, 'venv/bin/python'), 'peer.py']
    : [process.execPath, '--no-warnings', 'peer.mjs'];
  const { lines, errors, isLate, code } = await runGroup(command, { cwd: folder, env });
  const last = lines.findLast((line) => line.startsWith('{'));
  const failure = isLate ? `error: not done within ${MEASURE_LIMIT_MS / 1_000} s` : errors;
  if (last === undefined) throw new Error(failure);
  return { ...JSON.parse(last), ...(code === 0 ? {} : { stopped: reasonOf(failure) }) };
}

/** A process and all that it starts; both end with it, or when its time is up. */
async function runGroup([file, ...args], options) {
  const child = spawn(file, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors, isLate] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors = (errors + text).slice(-8_000)));
  const exited = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const limit = setTimeout(() => {
    isLate = true;
    end(child.pid, 'SIGKILL');
  }, MEASURE_LIMIT_MS);
  let code;
  try {
    code = await exited;
  } finally {
    clearTimeout(limit);
    if (child.pid) end(child.pid, 'SIGKILL');
  }
  return { lines: output.trim().split('\n'), errors, isLate, code };
}

/** What is left of the group; nothing, when all have ended. */
function end(group, signal) {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function reasonOf(error) {
  const lines = String(error.stderr || error.message || error)
    .trim()
    .split('\n');
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1)).slice(0, 300);
}
