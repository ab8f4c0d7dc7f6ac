/**
 * Agents as processes on this machine, which stand in for other hosts. They drain on SIGTERM. One that ends unasked is started
 * again, later each time. Those that outlived a killed scheduler are told to leave by the next one: a process is only taken for
 * one of ours when it carries this fleet's mark in its environment, since pids are used again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@cogmesh/telemetry';
import type { Fleet } from './fleet.js';

export interface ProcessFleetOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly directory: string | undefined;
  /** All that the processes get. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stopGraceMs: number;
  /** Where pids are noted, and the mark of this fleet; private to it. */
  readonly pidsDir: string;
  readonly logger: Logger;
}

const markName = 'COGMESH_POOL_MARK';
const firstRestartMs = 500;
const longestRestartMs = 30_000;
/** Who ran this long did not fail at the start. */
const steadyMs = 60_000;
/** The scheduler leaves: longest wait for agents to follow, milliseconds. */
const leaveMs = 5_000;

interface Member {
  readonly child: ChildProcess;
  readonly startedAt: number;
  readonly ended: Promise<void>;
  isLeaving: boolean;
}

export class ProcessFleet implements Fleet {
  readonly #options: ProcessFleetOptions;
  readonly #members = new Set<Member>();
  #wanted = 0;
  #restartMs = firstRestartMs;
  #restart: NodeJS.Timeout | undefined;

  private constructor(options: ProcessFleetOptions) {
    this.#options = options;
  }

  static async open(options: ProcessFleetOptions): Promise<ProcessFleet> {
    const fleet = new ProcessFleet(options);
    await mkdir(options.pidsDir, { recursive: true, mode: 0o700 });
    await fleet.#dismissOrphans();
    return fleet;
  }

  count(): Promise<number> {
    return Promise.resolve(this.#wanted);
  }

  scale(agents: number): Promise<void> {
    this.#wanted = agents;
    this.#settle();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#wanted = 0;
    clearTimeout(this.#restart);
    this.#settle();
    const gone = Promise.all([...this.#members].map(({ ended }) => ended));
    const timer = new AbortController();
    await Promise.race([gone, delay(leaveMs, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    for (const { child } of this.#members) child.kill('SIGKILL');
    await gone;
  }

  /** Processes that are here to stay. */
  get pids(): number[] {
    return this.#staying().flatMap(({ child }) => child.pid ?? []);
  }

  #staying(): Member[] {
    return [...this.#members].filter(({ isLeaving }) => !isLeaving);
  }

  #settle(): void {
    const staying = this.#staying();
    for (const member of staying.slice(this.#wanted)) this.#dismiss(member);
    for (let missing = this.#wanted - staying.length; missing > 0; missing -= 1) this.#start();
  }

  #start(): void {
    const { command, directory, environment, pidsDir, name, logger } = this.#options;
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...environment, [markName]: pidsDir },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const member: Member = { child, startedAt: performance.now(), ended, isLeaving: false };
    this.#members.add(member);
    const note = child.pid === undefined ? undefined : join(pidsDir, String(child.pid));
    if (note !== undefined) void writeFile(note, '').catch(() => {});
    const end = (why: string): void => {
      if (!this.#members.delete(member)) return;
      if (note !== undefined) void rm(note, { force: true });
      resolve();
      if (member.isLeaving) return;
      logger.warn({ pool: name, pid: child.pid, restartMs: this.#restartMs }, `an agent of pool ${name} ended: ${why}`);
      this.#startAgain(member);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
  }

  #startAgain({ startedAt }: Member): void {
    if (performance.now() - startedAt > steadyMs) this.#restartMs = firstRestartMs;
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => this.#settle(), this.#restartMs);
    this.#restartMs = Math.min(longestRestartMs, this.#restartMs * 2);
  }

  #dismiss(member: Member): void {
    member.isLeaving = true;
    member.child.kill('SIGTERM');
    const timer = setTimeout(() => member.child.kill('SIGKILL'), this.#options.stopGraceMs);
    void member.ended.then(() => clearTimeout(timer));
  }

  async #dismissOrphans(): Promise<void> {
    const { pidsDir, name, logger } = this.#options;
    for (const note of await readdir(pidsDir)) {
      const pid = Number(note);
      if (pid > 1 && (await this.#isOurs(pid))) {
        logger.warn({ pool: name, pid }, `an agent of pool ${name} outlived its scheduler; it is told to leave`);
        process.kill(pid, 'SIGTERM');
      }
      await rm(join(pidsDir, note), { force: true });
    }
  }

  async #isOurs(pid: number): Promise<boolean> {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    return environment.split('\0').includes(`${markName}=${this.#options.pidsDir}`);
  }
}
