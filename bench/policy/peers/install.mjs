/** Peers from npm, in a scratch folder outside the repository, kept for the next time. No script of theirs is run by it. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_LIMIT_MS = 300_000;

/** The folder with `node_modules`; `packages` by name, with exact versions. */
export async function installNode(name, packages) {
  const folder = join(tmpdir(), 'cogmesh-bench-peers', `policy-${name}`);
  const marker = join(folder, 'installed');
  const wanted = JSON.stringify(packages);
  if ((await readFile(marker, 'utf8').catch(() => '')) === wanted) return folder;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: packages }));
  const npm = ['install', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', npm, { cwd: folder, timeout: INSTALL_LIMIT_MS });
  await writeFile(marker, wanted);
  return folder;
}
