/**
 * Open Policy Agent, built by the Go toolchain of this machine into a scratch folder outside the repository, as a server with
 * the same rules as keyed data. Its decision log is off.
 */
import { execFile, spawn } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSION = 'v1.22.2';
const INSTALL_LIMIT_MS = 900_000;
const START_MS = 60_000;

/** The program's path; rejects where there is no Go. */
export async function install() {
  const folder = join(tmpdir(), 'cogmesh-bench-peers', `opa-${VERSION}`);
  const program = join(folder, 'opa');
  if (await access(program).then(() => true, () => false)) return program; // prettier-ignore
  await mkdir(folder, { recursive: true });
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
  await run('go', ['install', `github.com/open-policy-agent/opa@${VERSION}`], { env, timeout: INSTALL_LIMIT_MS });
  return program;
}

function rulesOf(sets) {
  const rules = {};
  for (const { organisation, policies } of sets) {
    const byResource = (rules[organisation] = {});
    for (const { policy: condition = '', permissions, resources, effect = 'allow' } of policies)
      for (const resource of resources) (byResource[resource] ??= []).push({ condition, permissions, effect });
  }
  return { rules };
}

/** A server on a port of its own. */
export async function start(program, sets) {
  const folder = await mkdtemp(join(tmpdir(), 'cogmesh-bench-opa-'));
  await writeFile(join(folder, 'data.json'), JSON.stringify(rulesOf(sets)));
  await cp(join(import.meta.dirname, 'authz.rego'), join(folder, 'authz.rego'));
  const port = await freePort();
  const args = [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    '--disable-telemetry',
    folder,
  ];
  const child = spawn(program, args, { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill();
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilHealthy(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function untilHealthy(port, child) {
  const until = performance.now() + START_MS;
  while (performance.now() < until && child.exitCode === null) {
    const isUp = await fetch(`http://127.0.0.1:${port}/health`).then(({ ok }) => ok, () => false); // prettier-ignore
    if (isUp) return;
    await delay(50);
  }
  throw new Error(`opa was not healthy within ${START_MS / 1_000} s`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
