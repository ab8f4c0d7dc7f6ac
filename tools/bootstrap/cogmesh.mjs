/**
 * Brings the checkout to a state that can run, then hands over: dependencies (which bring the pinned Node), build, CLI.
 * Runs on any Node >= 18 with nothing installed, so it imports Node built-ins only. `test`, `bench` and `sim` are
 * handled here: they belong to the checkout and must work before anything is built.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, pinnedNode, root, Failure } from './prepare.mjs';

const [command, ...rest] = process.argv.slice(2);

/**
 * A small young generation: all in one keeps five services in one process, and 16 MiB semi-spaces per heap cost about 70 MB
 * of resident memory for no measurable speed.
 */
const nodeFlags = ['--no-warnings', '--max-semi-space-size=2'];

/** Signals that must reach the real process, so that it can drain. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function run(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'inherit', ...options });
    for (const signal of forwarded) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      console.error(`cogmesh: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}

async function test() {
  const { ensureBackends } = await import('../provision/provision.mjs');
  await ensureBackends({ yes: rest.includes('--yes') }).catch((error) => {
    throw new Failure(error.message);
  });
  await ensureInstalled();
  return run(pinnedNode, [join(root, 'tools/verify/verify.mjs'), ...rest.filter((arg) => arg !== '--yes')], {
    cwd: root,
  });
}

async function bench() {
  await ensureInstalled();
  await ensureBuilt();
  return run(pinnedNode, [join(root, 'bench/run.mjs'), ...rest], { cwd: root });
}

async function sim() {
  await ensureInstalled();
  await ensureBuilt();
  return run(pinnedNode, [join(root, 'tools/sim/sim.mjs'), ...rest], { cwd: root });
}

async function cli() {
  await ensureInstalled();
  await ensureBuilt();
  return run(pinnedNode, [...nodeFlags, join(root, 'apps/cli/dist/main.js'), ...process.argv.slice(2)]);
}

const commands = { test, bench, sim };

try {
  process.exitCode = await (commands[command] ?? cli)();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`cogmesh: ${error.message}`);
  process.exitCode = 1;
}
