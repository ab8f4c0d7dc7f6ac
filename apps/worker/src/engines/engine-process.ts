/**
 * One engine process as the worker sees it: forked, asked, killed, started again. A crash or a kill fails only what was in
 * flight (`engine_crashed`); the next process starts after a back-off. Engines get no environment but what finding
 * libraries needs: no tokens, no addresses.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CogmeshError } from '@cogmesh/errors';
import { errorOfFailure } from '../engine/failure.js';
import type { EngineCallKind, EngineCalls, EngineReply, EngineRequest } from '../engine/protocol.js';

/** Back-off between a crash and the next start, milliseconds: doubles from the first to the last. */
const firstBackoffMs = 50;
const lastBackoffMs = 5000;
/** A process that lived this long has earned a fresh back-off. */
const provenAfterMs = 10_000;

export interface EngineProcessOptions {
  readonly name: string;
  /** Passed on to the process; never the worker's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called each time a process is up, the first time too; it holds no models and no bytes yet. */
  readonly onReady: () => void;
  /** Called each time a process is gone, except by `stop`. */
  readonly onGone: (cause: string) => void;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: CogmeshError) => void;
}

export class EngineProcess {
  private child: ChildProcess | undefined;
  private ready = false;
  private stopping = false;
  private backoffMs = firstBackoffMs;
  private startedAt = 0;
  private restartTimer: NodeJS.Timeout | undefined;
  private lastCallId = 0;
  private readonly pending = new Map<number, Pending>();

  constructor(private readonly options: EngineProcessOptions) {}

  get name(): string {
    return this.options.name;
  }

  get isReady(): boolean {
    return this.ready;
  }

  /** The process's id while there is one. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    const entry = entryPoint();
    this.startedAt = performance.now();
    const child = fork(entry.file, [], {
      execArgv: entry.execArgv,
      env: this.options.environment,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child = child;
    child.on('message', (reply: EngineReply) => this.receive(reply));
    child.on('error', (error) => {
      // Without a process there is no exit to come; with one, the exit tells.
      if (child.pid === undefined) this.gone(child, error.message);
    });
    child.once('exit', (code, signal) => this.gone(child, signal ? `killed by ${signal}` : `exit ${code}`));
  }

  /** Asks and waits. Rejects with what the engine said, or with `engine_crashed` when it went away. */
  call<K extends EngineCallKind>(kind: K, request: EngineCalls[K]['request']): Promise<EngineCalls[K]['answer']> {
    const id = (this.lastCallId += 1);
    return new Promise<EngineCalls[K]['answer']>((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.post({ kind, id, ...request } as unknown as EngineRequest);
    });
  }

  /** Tells without an answer; lost when there is no process, as everything in the process is then. */
  post(request: EngineRequest): void {
    if (this.child?.connected) this.child.send(request);
    else this.failPending('it was not running');
  }

  /** Ends the process now; what is in flight fails, and a new process comes. */
  kill(): void {
    this.child?.kill('SIGKILL');
  }

  /** Ends the process for good and waits until it is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await exited;
  }

  private receive(reply: EngineReply): void {
    if (reply.kind === 'ready') {
      this.ready = true;
      this.options.onReady();
      return;
    }
    const pending = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if (reply.kind === 'answer') pending?.resolve(reply.value as never);
    else pending?.reject(errorOfFailure(reply.error));
  }

  private gone(child: ChildProcess, cause: string): void {
    if (child !== this.child) return;
    this.child = undefined;
    this.ready = false;
    this.failPending(cause);
    if (this.stopping) return;
    this.options.onGone(cause);
    if (performance.now() - this.startedAt >= provenAfterMs) this.backoffMs = firstBackoffMs;
    this.restartTimer = setTimeout(() => this.start(), this.backoffMs);
    this.backoffMs = Math.min(lastBackoffMs, 2 * this.backoffMs);
  }

  private failPending(cause: string): void {
    const error = new CogmeshError('engine_crashed', `the engine process ended during the run (${cause})`, {
      cause,
      engine: this.name,
    });
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}

/** The engine's entry as it lies beside this file: built, or as source in tests and development. */
function entryPoint(): { file: string; execArgv: string[] } {
  const fromSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(fromSource ? '../engine/main.ts' : '../engine/main.js', import.meta.url));
  const memory = ['--max-semi-space-size=1', '--expose-gc'];
  if (!fromSource) return { file, execArgv: memory };
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return { file, execArgv: [...memory, '--import', tsx, '--conditions=@cogmesh/source'] };
}
