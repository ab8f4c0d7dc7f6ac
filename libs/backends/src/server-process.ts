/**
 * A server program as our child: its own process group (a Ctrl-C meant for us does not reach it), its last output kept for
 * the error message, and never left behind: a guard beside it, which reads a pipe of ours, ends it when we are gone, however
 * we went. The servers run here recover from that.
 */
import { CogmeshError } from '@cogmesh/errors';
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

const keptOutput = 4000;
const pollMs = 50;

export interface ServerCommand {
  readonly name: string;
  readonly file: string;
  readonly args?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<void>;
  #output = '';
  #failure: Error | undefined;

  constructor({ name, file, args = [], environment, cwd, account }: ServerCommand) {
    this.#name = name;
    this.#child = spawn(file, args, {
      cwd,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...account,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => (this.#output = (this.#output + text).slice(-keptOutput)));
    }
    const guard = guardOf(this.#child.pid);
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(void (this.#failure = error)));
      this.#child.once('exit', () => resolve());
    });
    void this.#exited.then(() => guard?.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#failure === undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves once `ready` answers true; throws `unavailable` with the program's last words if it ends or takes too long. */
  async untilReady(ready: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await ready())) {
      if (!this.running) throw this.#unavailable('ended while it was starting');
      if (Date.now() > deadline) throw this.#unavailable(`was not ready within ${timeoutMs} ms`);
      await delay(pollMs);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Asks it to end, makes it end after `graceMs`, resolves when it has. */
  async end(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    this.signal(signal);
    const force = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(force);
  }

  #unavailable(what: string): CogmeshError {
    const output = this.#failure?.message ?? this.#output.trim();
    return new CogmeshError('unavailable', `${this.#name} ${what}${output === '' ? '' : `:\n${output}`}`);
  }
}

/** Reads its standard input, which ends when we end, and then kills the server. */
function guardOf(pid: number | undefined): ChildProcess | undefined {
  if (pid === undefined) return undefined;
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$1"', 'cogmesh-guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.on('error', () => undefined);
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  if (guard.stdin && 'unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref();
  return guard;
}
