/** `npm ci` and the build, done only when missing or stale, each with a progress line on standard error. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const pinnedNode = join(root, 'node_modules/.bin/node');

/** A refusal that the person at the terminal can act on. */
export class Failure extends Error {}

const installStamp = join(root, 'node_modules/.cogmesh-installed');
const buildStamp = join(root, 'node_modules/.cogmesh-built');

const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
const readStamp = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

export async function ensureInstalled() {
  const wanted = lockHash();
  if (readStamp(installStamp) === wanted && existsSync(pinnedNode)) return;
  await step('installing dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installStamp, wanted);
}

/** Newest change of anything the build reads, milliseconds. */
function newestSource() {
  const sources = ['apps', 'libs'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((room) => [
      join(root, group, room, 'src'),
      join(root, group, room, 'tsconfig.lib.json'),
    ]),
  );
  return Math.max(...[...sources, join(root, 'tsconfig.base.json'), join(root, 'tsconfig.build.json')].map(newest));
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

export async function ensureBuilt() {
  const wanted = `${lockHash()} ${newestSource()}`;
  if (readStamp(buildStamp) === wanted && existsSync(join(root, 'apps/cli/dist/main.js'))) return;
  await step('building', pinnedNode, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-b',
    join(root, 'tsconfig.build.json'),
  ]);
  writeFileSync(buildStamp, wanted);
}

/** Runs a command behind one progress line; its output is shown only when it fails. */
function step(label, file, args) {
  const started = Date.now();
  const line = () => `cogmesh: ${label} … ${Math.round((Date.now() - started) / 1000)} s`;
  const live = process.stderr.isTTY;
  if (!live) process.stderr.write(`cogmesh: ${label} …\n`);
  const ticker = live ? setInterval(() => process.stderr.write(`\r${line()}`), 200) : undefined;
  return new Promise((resolve, reject) => {
    const output = [];
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
    const finish = (failure) => {
      clearInterval(ticker);
      process.stderr.write(live ? `\r${line()}\n` : `${line()} done\n`);
      if (!failure) return resolve();
      process.stderr.write(Buffer.concat(output));
      reject(new Failure(`${label} failed: ${failure}`));
    };
    child.on('error', (error) => finish(error.message));
    child.on('exit', (code, signal) => finish(code === 0 ? undefined : (signal ?? `exit status ${code}`)));
  });
}
