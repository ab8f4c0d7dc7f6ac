/** `cogmesh up` as a child process: the product all in one, exactly as a person starts it. */
import type { Environment } from '@cogmesh/config';
import { until } from './poll.js';
import { cleanEnvironment, descendantsOf, killHard, mainOf, startCommand } from './processes.js';
import type { World } from './world.js';

export interface AllInOne {
  readonly url: string;
  /** gRPC address of the registry, for agents. */
  readonly registry: string;
  readonly pid: number;
  /** SIGTERM; resolves with the exit code, having killed what was left after `timeoutMs` (then the code is null). */
  stop(timeoutMs?: number): Promise<number | null>;
  /** kill -9 of the process and its engines; resolves when it is gone. */
  crash(): Promise<void>;
  readonly stderr: () => string;
}

const STOP_TIMEOUT_MS = 20_000;

export interface StartUpOptions {
  readonly environment?: Environment;
  /** Of the REST API. Default: a free one. */
  readonly port?: number;
}

export async function startUp(world: World, { environment, port = 0 }: StartUpOptions = {}): Promise<AllInOne> {
  const command = startCommand(
    process.execPath,
    [
      '--no-warnings',
      mainOf('cli'),
      'up',
      '--json',
      '--listen',
      `127.0.0.1:${port}`,
      '--data-dir',
      world.directory.path,
    ],
    { environment: { ...cleanEnvironment(), COGMESH_LOG_LEVEL: 'warn', ...environment } },
  );
  const kill = () => killHard(command.pid, ...descendantsOf(command.pid));
  try {
    const address = await until('cogmesh up says where it is', () => {
      if (command.child.exitCode !== null) throw new Error(`it ended: ${command.stdout()}${command.stderr()}`);
      return parse(command.stdout());
    });
    await until('everything is ready', async () => (await fetch(`${address.url}/readyz`)).ok, { timeoutMs: 60_000 });
    return {
      ...address,
      pid: command.pid,
      stderr: command.stderr,
      stop: async (timeoutMs = STOP_TIMEOUT_MS) => {
        command.child.kill('SIGTERM');
        const timer = setTimeout(kill, timeoutMs);
        const { code } = await command.ended;
        clearTimeout(timer);
        return code;
      },
      crash: async () => {
        kill();
        await command.ended;
      },
    };
  } catch (error) {
    kill();
    throw new Error(`cogmesh up did not come up:\n${command.stdout()}${command.stderr()}`, { cause: error });
  }
}

/** Undefined until the whole document is there. */
function parse(text: string): { url: string; registry: string } | undefined {
  try {
    return JSON.parse(text) as { url: string; registry: string };
  } catch {
    return undefined;
  }
}

/** Until the models that the demo uses are warm. */
export function modelsReady(models: () => Promise<readonly { name: string; ready: boolean }[]>): Promise<true> {
  return until(
    'the OCR models are ready',
    async () => {
      const ready = (await models()).filter((model) => model.ready).map(({ name }) => name);
      return ready.includes('acme/ppocr-detect') && ready.includes('acme/ppocr-recognize');
    },
    { timeoutMs: 60_000 },
  );
}
