/**
 * What a benchmark of the scheduler runs against: a data directory with three organisations, the built product as a cluster
 * or all in one, two agents that serve no-op tools over the SDK, and clients. Everything it starts it also removes.
 */
import { fork, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { addPartner, initialiseDataDirectory, startCluster } from '@cogmesh/mesh';
import { CogmeshClient } from '@cogmesh/sdk';

const root = join(import.meta.dirname, '../..');
const HOUR_SECONDS = 3_600;
const DAY_MS = 86_400_000;
const START_MS = 60_000;
const IDLE_MS = 3_000;
const PASSABLE = 0o711;

const everything = ['create', 'read', 'list', 'cancel', 'infer', 'serve', 'write', 'approve'];
const guestsUseTools = {
  id: 'guests-use-tools',
  policy: "org_id == 'flood' || org_id == 'small'",
  permissions: ['infer', 'read', 'list'],
  resources: ['/tools/acme/*'],
};
const work = { id: 'work', policy: "role == 'admin' || role == 'reader'", permissions: everything, resources: ['/**'] };

/** Organisations beside the host that may use its tools. */
export const guests = ['flood', 'small'];

/** The environment without what configures the product, so that nobody's shell changes a figure. */
function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(COGMESH|OTEL|NODE_OPTIONS)/.test(name));
  return Object.fromEntries(kept);
}

async function createDirectory(path) {
  const directory = await initialiseDataDirectory(path, {
    hostOrganisation: 'acme',
    policies: { organisation: 'acme', policies: [work, guestsUseTools] },
  });
  for (const organisation of guests) {
    await addPartner(directory, {
      organisation,
      roles: ['admin', 'reader'],
      policies: { organisation, policies: [work] },
      grant: {
        id: `grant-acme-${organisation}`,
        grantor: 'acme',
        grantee: organisation,
        actions: ['infer', 'read', 'list'],
        resources: ['/tools/acme/*'],
        issuedAtMs: Date.now() - 1_000,
        expiresAtMs: Date.now() + DAY_MS,
      },
    });
  }
  return directory;
}

const settings = ({ telemetry, strategy }) => ({
  ...cleanEnvironment(),
  COGMESH_LOG_LEVEL: 'warn',
  COGMESH_SCHEDULER_STRATEGY: strategy,
  // The bench itself is one client of each organisation, and submits as fast as it is answered.
  COGMESH_RATE_PER_SECOND: '10000',
  COGMESH_RATE_BURST: '10000',
  ...(telemetry ? {} : { OTEL_TRACES_EXPORTER: 'none', OTEL_SDK_DISABLED: 'true' }),
});

async function cluster(directory, environment) {
  const mesh = await startCluster({ directory, environment, httpListen: '127.0.0.1:0', progress: () => {} });
  const names = ['gateway', 'policy', 'scheduler', 'registry', 'worker', 'rabbitmq', 'postgres'];
  return {
    url: mesh.url,
    registry: mesh.registry,
    pidOf: mesh.pidOf,
    pids: mesh.pids,
    rss: () => Object.fromEntries(names.map((name) => [name, residentMb(mesh.pidOf(name))])),
    stop: mesh.stop,
  };
}

async function allInOne(directory, environment) {
  const args = ['--no-warnings', '--max-semi-space-size=2', join(root, 'apps/cli/dist/main.js'), 'up', '--json'];
  const child = spawn(process.execPath, [...args, '--listen', '127.0.0.1:0', '--data-dir', directory.path], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  const address = await until('the mesh says where it is', () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${text}`);
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  });
  await until('the mesh is ready', async () => (await fetch(`${address.url}/readyz`)).ok);
  return {
    url: address.url,
    registry: address.registry,
    pidOf: () => child.pid,
    pids: () => [child.pid],
    rss: () => ({ 'all in one': residentMb(child.pid) }),
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

const deployments = { cluster, 'all in one': allInOne };

/** Starts one deployment, hands it to `work`, and removes it whatever happens. */
export async function withMesh({ mode, telemetry = false, strategy = 'load-aware', agents = standard }, use) {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-bench-'));
  let mesh;
  const running = [];
  try {
    const directory = await createDirectory(path);
    // As root PostgreSQL runs as a user of its own, who must get to its folder; else it would be elsewhere, and stay.
    await chmod(path, PASSABLE);
    mesh = await deployments[mode](directory, settings({ telemetry, strategy }));
    const tokenOf = (organisation) =>
      mintDevelopmentToken(directory.keysDir, {
        sub: `bench-of-${organisation}`,
        roles: ['admin'],
        ttlSeconds: HOUR_SECONDS,
        issuerName: organisation === 'acme' ? 'development' : organisation,
      });
    const clients = {};
    for (const organisation of ['acme', ...guests]) {
      const token = await tokenOf(organisation);
      clients[organisation] = new CogmeshClient({ baseUrl: mesh.url, getToken: () => token, maxRetries: 8 });
    }
    const token = await tokenOf('acme');
    const starting = agents.map((tools) => startAgent({ registry: mesh.registry, token, tools }));
    for (const agent of starting) running.push(await agent);
    return await use({ mesh, clients, agents: running });
  } finally {
    await Promise.all(running.map((agent) => agent.stop()));
    await mesh?.stop();
    await rm(path, { recursive: true, force: true });
  }
}

/** Two agents of 250 slots each; `steady` is service that takes time, so that capacity is known. */
const tools = { noop: { concurrency: 250, ms: 0 }, steady: { concurrency: 8, ms: 40 } };
export const standard = [tools, tools];

async function startAgent(options) {
  const child = fork(join(import.meta.dirname, 'agent-process.mjs'), {
    env: cleanEnvironment(),
    execArgv: ['--no-warnings'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const lost = exited.then(() => Promise.reject(new Error('an agent has ended')));
  lost.catch(() => {});
  const ask = (message) => {
    const answer = new Promise((resolve) => child.once('message', resolve));
    child.send(message);
    return Promise.race([answer, lost]);
  };
  await ask({ start: options });
  return {
    pid: child.pid,
    exited,
    /** Calls since the last look: [organisation, run, task, started at, ended at], milliseconds. */
    marks: () => ask({ marks: true }),
    count: () => ask({ count: true }),
    kill: () => child.kill('SIGKILL'),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Polls; the bound is generous because the machine may be busy with other things. */
export async function until(what, condition, { timeoutMs = START_MS, everyMs = 20 } = {}) {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const found = await Promise.resolve(condition()).catch((error) => {
      if (error?.cause || error?.retryable) return undefined;
      throw error;
    });
    if (found) return found;
    await delay(everyMs);
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`);
}

export function residentMb(pid) {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(found?.[1] ?? 0) / 1024);
}

/** Processor time of the services and the broker while nothing is asked of them, per second. */
export async function idleCpu({ pids, pidOf }) {
  const all = [...pids(), pidOf('rabbitmq')];
  const total = () => all.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = total();
  await delay(IDLE_MS);
  return Number((((total() - before) * 1_000) / IDLE_MS).toFixed(2));
}

/** CPU seconds of a process since it started. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
