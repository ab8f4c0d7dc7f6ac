/** Processes as the kernel shows them (/proc), and commands of the product run as children. Nothing here outlives its test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Environment, processEnvironment } from '@cogmesh/config';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const mainOf = (app: string) => `${root}apps/${app}/dist/main.js`;

/** The test's own environment without what configures the product, so that nobody's shell changes a result. */
export function cleanEnvironment(): Environment {
  const kept = Object.entries(processEnvironment()).filter(([name]) => !/^(COGMESH|OTEL|VITEST|NODE_ENV)/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}

export interface CommandOptions {
  readonly environment?: Environment;
  readonly stdin?: string;
  readonly cwd?: string;
}

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when it has ended and all its output was read. */
  readonly ended: Promise<CommandResult>;
  /** Output so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function startCommand(file: string, args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const child = spawn(file, args, {
    cwd: options.cwd ?? root,
    env: (options.environment ?? cleanEnvironment()) as NodeJS.ProcessEnv,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { child, pid: child.pid ?? 0, ended, stdout: () => output.stdout, stderr: () => output.stderr };
}

/** Longest life of a command that is meant to end by itself, milliseconds. */
const COMMAND_TIMEOUT_MS = 120_000;

/** Its result; one that does not end in time is killed with its children, and its code is null. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions & { readonly timeoutMs?: number } = {},
): Promise<CommandResult> {
  const { pid, ended } = startCommand(file, args, options);
  const killer = setTimeout(() => killHard(pid, ...descendantsOf(pid)), options.timeoutMs ?? COMMAND_TIMEOUT_MS);
  return ended.finally(() => clearTimeout(killer));
}

export function isAlive(pid: number): boolean {
  // A zombie has ended already; its parent has not asked yet.
  return processState(pid) !== undefined && processState(pid) !== 'Z';
}

function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name stands in parentheses and may contain anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

const processState = (pid: number) => statOf(pid)?.[0];

/** Children of a process and theirs, without itself. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1] ?? 0) : 0;
    if (parent > 0) parents.set(Number(name), parent);
  }
  const found: number[] = [];
  const add = (of: number): void => {
    for (const [child, parent] of parents) {
      if (parent !== of) continue;
      found.push(child);
      add(child);
    }
  };
  add(pid);
  return found;
}

/** kill -9, at once, whatever of it is still there. */
export function killHard(...pids: readonly number[]): void {
  // 0 would be the test's own process group.
  for (const pid of pids.filter((each) => each > 1)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
}
