/** One service as a child process, started again with back-off whenever it ends without being told to. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '@cogmesh/config';

export interface ServiceProcessOptions {
  readonly name: string;
  /** Script to run on this Node. */
  readonly script: string;
  readonly environment: Environment;
  /** Receives its standard output and error. */
  readonly logFile: string;
  /** `/readyz` is asked here. */
  readonly healthUrl: string;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A process that lived this long was healthy: its next restart does not wait. */
const HEALTHY_AFTER_MS = 10_000;
const KILL_AFTER_MS = 20_000;

export class ServiceProcess {
  readonly name: string;
  private child: ChildProcess | undefined;
  private stopping = false;
  private pauseMs = FIRST_PAUSE_MS;
  private readonly log: WriteStream;

  constructor(private readonly options: ServiceProcessOptions) {
    this.name = options.name;
    this.log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    const startedAt = Date.now();
    const child = spawn(process.execPath, ['--no-warnings', this.options.script], {
      env: this.options.environment as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.pipe(this.log, { end: false });
    child.stderr.pipe(this.log, { end: false });
    child.once('exit', () => void this.restart(Date.now() - startedAt));
    this.child = child;
  }

  private async restart(livedMs: number): Promise<void> {
    if (this.stopping) return;
    this.pauseMs = livedMs > HEALTHY_AFTER_MS ? FIRST_PAUSE_MS : Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
    await delay(this.pauseMs);
    if (!this.stopping) this.start();
  }

  async ready(): Promise<boolean> {
    const answer = await fetch(`${this.options.healthUrl}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  }

  /** SIGTERM and time to drain, then SIGKILL. */
  async stop(): Promise<void> {
    this.stopping = true;
    const child = this.child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await exited;
      clearTimeout(killer);
    }
    await new Promise((resolve) => this.log.end(resolve));
  }
}
