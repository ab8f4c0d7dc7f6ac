/**
 * Makes sure that the tests and `cogmesh cluster` can have a RabbitMQ and a PostgreSQL on this machine.
 * Asks before it installs anything; never starts or configures a system service; what a COGMESH_TEST_* variable
 * already provides is left alone. Runs on any Node >= 18 with no dependencies, because it runs before `npm ci`.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';

/** How long apt may wait for another package manager, seconds. */
const lockTimeoutSeconds = 300;
/** A line of progress this often where there is no terminal to draw on, milliseconds. */
const progressEveryMs = 10_000;

const backends = [
  { name: 'RabbitMQ', package: 'rabbitmq-server', variable: 'COGMESH_TEST_AMQP_URL', find: findRabbitServer },
  { name: 'PostgreSQL', package: 'postgresql', variable: 'COGMESH_TEST_DATABASE_URL', find: findPostgresBin },
];

const fromPath = (environment, file) =>
  (environment.PATH ?? '')
    .split(delimiter)
    .map((folder) => folder && join(folder, file))
    .find((path) => path && existsSync(path));

/** Where packages put the servers, besides PATH. Debian's own comes first: the wrapper on PATH switches user. */
const usualPlaces = {
  rabbit: ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server'],
  postgres: '/usr/lib/postgresql',
};

/** Path of the server's start script, or undefined. */
export function findRabbitServer(environment = process.env, { rabbit } = usualPlaces) {
  return rabbit.find((path) => existsSync(path)) ?? fromPath(environment, 'rabbitmq-server');
}

/** Folder that holds initdb and postgres, newest version first, or undefined. */
export function findPostgresBin(environment = process.env, { postgres } = usualPlaces) {
  const versions = existsSync(postgres) ? readdirSync(postgres).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(postgres, version, 'bin')),
    ...(environment.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => folder && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** What is there already and what would have to be installed. */
export function planBackends(environment = process.env, places = usualPlaces) {
  return backends.map((backend) => {
    const state = environment[backend.variable]
      ? 'environment'
      : backend.find(environment, places)
        ? 'present'
        : 'missing';
    return { name: backend.name, package: backend.package, variable: backend.variable, state };
  });
}

/**
 * Resolves with the plan once every back end can be had; throws an Error with one sentence for a person otherwise.
 * Asks on a terminal unless `yes` or CI=true.
 */
export async function ensureBackends({ yes = false, environment = process.env, ...rest } = {}) {
  const { output = process.stderr, input = process.stdin, places = usualPlaces } = rest;
  const missing = planBackends(environment, places).filter((backend) => backend.state === 'missing');
  if (missing.length === 0) return planBackends(environment, places);
  const root = rootCommand(environment);
  if (!root)
    throw new Error(
      `${names(missing)} not found, and this system has no apt-get to install with. ${alternative(missing)}`,
    );
  const agrees = await agreed(missing, { yes, environment, output, input });
  if (!agrees) throw new Error(`${names(missing)} not installed. ${alternative(missing)}`);
  await install(missing, { root, environment, output });
  const still = planBackends(environment, places).filter((backend) => backend.state === 'missing');
  if (still.length > 0)
    throw new Error(`${names(still)} still not found after the installation. ${alternative(still)}`);
  return planBackends(environment, places);
}

const names = (missing) => missing.map((backend) => backend.name).join(' and ');

const alternative = (missing) =>
  `Install ${missing.map((backend) => backend.package).join(' and ')} yourself, or point ` +
  `${missing.map((backend) => backend.variable).join(' and ')} at a server that tests may use.`;

/** How to run something as root here: directly, through sudo without a password, or undefined without apt-get. */
function rootCommand(environment) {
  if (!fromPath(environment, 'apt-get')) return undefined;
  return process.getuid?.() === 0 ? [] : ['sudo', '-n'];
}

async function agreed(missing, { yes, environment, output, input }) {
  const packages = missing.map((backend) => backend.package).join(' ');
  output.write(`The tests need ${names(missing)}. This would run, as root:\n`);
  output.write(`  apt-get update && apt-get install -y --no-install-recommends ${packages}\n`);
  output.write('No service is started or enabled to listen; the tests start their own on scratch folders.\n');
  if (yes || environment.CI === 'true' || environment.CI === '1') return true;
  if (!input.isTTY) {
    output.write('Not a terminal, so nobody can be asked: pass --yes or set CI=true to agree.\n');
    return false;
  }
  const prompt = createInterface({ input, output });
  const answer = await prompt.question('Install now? [y/N] ');
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

/**
 * One shell as root does it all, so that its trap undoes policy-rc.d (which keeps packages from starting their services)
 * even when we are interrupted. A policy that is already there is the operator's and stays; ours from a killed run is removed.
 */
export const installScript = `
set -eu
policy=/usr/sbin/policy-rc.d
mark='# cogmesh provision: packages do not start services'
exec 9>/run/lock/cogmesh-provision.lock 2>/dev/null || exec 9>/tmp/cogmesh-provision.lock
command -v flock >/dev/null && flock 9
ours() { [ -f "$policy" ] && grep -qF "$mark" "$policy"; }
undo() { if ours; then rm -f "$policy"; fi; }
trap undo EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$policy" ]; then printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" > "$policy"; chmod 755 "$policy"; fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=${lockTimeoutSeconds} update
apt-get -o DPkg::Lock::Timeout=${lockTimeoutSeconds} install -y --no-install-recommends "$@"
`;

async function install(missing, { root, environment, output }) {
  const packages = missing.map((backend) => backend.package);
  const [command, ...args] = [...root, 'sh', '-c', installScript, 'cogmesh-provision', ...packages];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  const log = [];
  const progress = showProgress(packages, log, output);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => log.push(...text.split('\n').filter((line) => line.trim() !== '')));
  }
  const relay = (signal) => child.kill(signal);
  process.on('SIGINT', relay).on('SIGTERM', relay);
  const code = await new Promise((resolve) => child.on('error', () => resolve(127)).on('close', resolve));
  process.off('SIGINT', relay).off('SIGTERM', relay);
  progress.stop(code === 0);
  if (code === 0) return;
  output.write(`${log.slice(-15).join('\n')}\n`);
  const why =
    root.length > 0 && log.some((line) => line.startsWith('sudo:'))
      ? 'this user may not use sudo without a password'
      : `apt-get failed (exit ${code})`;
  throw new Error(`Could not install ${names(missing)}: ${why}. ${alternative(missing)}`);
}

/** One line that counts seconds on a terminal; elsewhere a line now and then. */
function showProgress(packages, log, output) {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const line = () => `installing ${packages.join(', ')}: ${seconds()} s  ${(log.at(-1) ?? '').slice(0, 60)}`;
  const draw = () => output.write(output.isTTY ? `\r\x1b[K${line()}` : `${line()}\n`);
  const timer = setInterval(draw, output.isTTY ? 250 : progressEveryMs);
  draw();
  const stop = (done) => {
    clearInterval(timer);
    output.write(
      `${output.isTTY ? '\r\x1b[K' : ''}${done ? 'installed' : 'failed to install'} ${packages.join(', ')} (${seconds()} s)\n`,
    );
  };
  return { stop };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  ensureBackends({ yes: process.argv.includes('--yes') }).then(
    (plan) => plan.forEach(({ name, state }) => process.stdout.write(`${name}: ${state}\n`)),
    (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    },
  );
}
