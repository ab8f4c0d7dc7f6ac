/**
 * The engines of one worker: which of them holds which model, and whose turn it is. A run waits for a free engine that has
 * its model; engines are given out in order of arrival. An engine that died gets its models and nothing else back. Runs
 * that overstay their time are ended with the process that carries them.
 */
import { CogmeshError } from '@cogmesh/errors';
import { checkSignature } from '@cogmesh/inference-core';
import type { Logger } from '@cogmesh/telemetry';
import type { ModelToLoad, RunAnswer, ScriptToRun, TaskInput } from '../engine/protocol.js';
import { EngineProcess } from './engine-process.js';

/** How long a request waits for an engine process that is away, milliseconds. */
const engineWaitMs = 30_000;

/** Beyond a script's own time limit, until its process is killed, milliseconds. */
const scriptGraceMs = 1000;

export interface EnginePoolOptions {
  readonly modelEngines: number;
  readonly scriptEngines: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly logger: Logger;
  /** A model became ready or stopped being so. */
  readonly onModelState?: (key: string) => void;
}

export interface ModelRun {
  readonly model: string;
  readonly items: readonly TaskInput[];
  /** Bytes the items name as shelved. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** From start to the kill, milliseconds. */
  readonly timeoutMs: number;
  /** Called when an engine has been found, before it runs. */
  readonly onStarted?: (engine: string) => void;
}

export interface ScriptHooks {
  readonly onStarted?: (engine: string) => void;
  /** Ends the process that runs the script. */
  readonly signal?: AbortSignal;
  /** On the clock of `performance.now`; a script that gets its engine later fails with `timeout` unstarted. */
  readonly startBy?: number;
}

interface Slot {
  readonly engine: EngineProcess;
  /** Models it is meant to hold. */
  readonly placed: Map<string, ModelToLoad>;
  /** Models it holds, warm. */
  readonly warm: Set<string>;
  readonly shelved: Set<string>;
  busy: boolean;
}

interface Waiter {
  /** Waits for an engine with this model; without one, for an engine for scripts. */
  readonly model: string | undefined;
  readonly resolve: (slot: Slot) => void;
  readonly reject: (error: CogmeshError) => void;
}

export class EnginePool {
  private readonly modelSlots: Slot[];
  private readonly scriptSlots: Slot[];
  private readonly waiters: Waiter[] = [];
  private readonly failures = new Map<string, string>();

  constructor(private readonly options: EnginePoolOptions) {
    const slots = (count: number, kind: string): Slot[] =>
      Array.from({ length: count }, (_, index) => this.slot(`${kind}-${index + 1}`));
    this.modelSlots = slots(options.modelEngines, 'model');
    this.scriptSlots = slots(options.scriptEngines, 'script');
  }

  start(): void {
    for (const { engine } of this.slots) engine.start();
  }

  /** Whether every engine process is up; models may still be loading. */
  get isReady(): boolean {
    return this.slots.every((slot) => slot.engine.isReady);
  }

  get pids(): readonly number[] {
    return this.slots.flatMap((slot) => slot.engine.pid ?? []);
  }

  /** The process of an engine, by the engine's name. */
  pidOf(engine: string): number | undefined {
    return this.slots.find((slot) => slot.engine.name === engine)?.engine.pid;
  }

  /**
   * Places the model on the engines that hold least and loads it there. Resolves when it is warm on one, or at once while
   * the engines are still starting: they load what is placed on them when they are up.
   */
  async load(model: ModelToLoad): Promise<void> {
    const instances = Math.min(model.manifest.instances, this.modelSlots.length);
    const chosen = this.modelSlots.toSorted((a, b) => weightOf(a) - weightOf(b)).slice(0, instances);
    for (const slot of chosen) slot.placed.set(model.key, model);
    await Promise.any(chosen.filter((slot) => slot.engine.isReady).map((slot) => this.loadInto(slot, model))).catch(
      (thrown: AggregateError) => {
        if (thrown.errors.length > 0) throw thrown.errors[0];
      },
    );
  }

  async unload(key: string): Promise<void> {
    this.failures.delete(key);
    const holders = this.modelSlots.filter((slot) => slot.placed.delete(key));
    await Promise.all(
      holders.map(async (slot) => {
        slot.warm.delete(key);
        if (slot.engine.isReady) await slot.engine.call('unload', { model: key });
      }),
    );
    this.options.onModelState?.(key);
  }

  /** Engines that hold the model warm now. */
  warmEngines(key: string): number {
    return this.modelSlots.filter((slot) => slot.warm.has(key)).length;
  }

  /** Why the model could not be loaded, when it could not. */
  failureOf(key: string): string | undefined {
    return this.failures.get(key);
  }

  /** Runs a batch. Rejects with `timeout` (the engine was killed), `engine_crashed`, or what the engine said. */
  async run(run: ModelRun): Promise<RunAnswer & { readonly engine: string }> {
    const failure = this.warmEngines(run.model) > 0 ? undefined : this.failures.get(run.model);
    if (failure !== undefined || !this.modelSlots.some((slot) => slot.placed.has(run.model))) {
      throw new CogmeshError('unavailable', failure ?? `${run.model} is not loaded here`, { model: run.model });
    }
    const slot = await this.acquire(run.model);
    try {
      run.onStarted?.(slot.engine.name);
      this.shelve(slot, run.blobs);
      const work = slot.engine.call('run', { model: run.model, items: run.items });
      const answer = await this.within(slot, work, { ms: run.timeoutMs, code: 'timeout' });
      return { ...answer, engine: slot.engine.name };
    } finally {
      this.release(slot);
    }
  }

  /** Runs a script, `onStarted` as for models. An aborted signal ends the process that runs it. */
  async runScript(script: ScriptToRun, hooks: ScriptHooks = {}): Promise<string> {
    const slot = await this.acquire(undefined);
    const { signal } = hooks;
    const abort = (): void => slot.engine.kill();
    try {
      signal?.throwIfAborted();
      if (performance.now() > (hooks.startBy ?? Infinity))
        throw new CogmeshError('timeout', 'its time was up before it reached an engine');
      signal?.addEventListener('abort', abort, { once: true });
      hooks.onStarted?.(slot.engine.name);
      const work = slot.engine.call('script', { script });
      const limit = { ms: script.timeoutMs + scriptGraceMs, code: 'script_timeout' as const };
      return (await this.within(slot, work, limit)).outputJson;
    } catch (thrown) {
      if (signal?.aborted) throw new CogmeshError('cancelled', 'the script was cancelled');
      throw thrown;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.release(slot);
    }
  }

  /** The bytes will not be named again. */
  clear(key: string): void {
    for (const slot of this.modelSlots) if (slot.shelved.delete(key)) slot.engine.post({ kind: 'clear', key });
  }

  async stop(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.engine.stop()));
  }

  private get slots(): readonly Slot[] {
    return [...this.modelSlots, ...this.scriptSlots];
  }

  private slot(name: string): Slot {
    const engine = new EngineProcess({
      name,
      environment: this.options.environment,
      onReady: () => this.revive(slot),
      onGone: (cause) => this.bury(slot, cause),
    });
    const slot: Slot = { engine, placed: new Map(), warm: new Set(), shelved: new Set(), busy: false };
    return slot;
  }

  private revive(slot: Slot): void {
    for (const model of slot.placed.values()) void this.loadInto(slot, model).catch(() => undefined);
    this.handOut();
  }

  private bury(slot: Slot, cause: string): void {
    this.options.logger.warn({ engine: slot.engine.name, cause }, 'engine process is gone');
    const lost = [...slot.warm];
    slot.warm.clear();
    slot.shelved.clear();
    for (const key of lost) this.options.onModelState?.(key);
  }

  private async loadInto(slot: Slot, model: ModelToLoad): Promise<void> {
    const { key } = model;
    try {
      const { signature, loadMs } = await slot.engine.call('load', { model });
      checkSignature(model.manifest, signature);
      const { warmMs } = await slot.engine.call('warm', { model: key });
      if (!slot.placed.has(key)) return;
      slot.warm.add(key);
      this.failures.delete(key);
      this.options.logger.info(
        { model: key, engine: slot.engine.name, loadMs: Math.round(loadMs), warmMs: Math.round(warmMs) },
        'model is warm',
      );
    } catch (thrown) {
      const error = thrown instanceof CogmeshError ? thrown : new CogmeshError('internal', String(thrown));
      if (error.code !== 'engine_crashed') this.fail(key, error);
      this.options.logger.error({ model: key, engine: slot.engine.name, code: error.code }, error.message);
      throw error;
    } finally {
      this.options.onModelState?.(key);
      this.handOut();
    }
  }

  /** A model that cannot be loaded will not become warm: who waits for it need not wait longer. */
  private fail(key: string, error: CogmeshError): void {
    this.failures.set(key, error.message);
    if (this.warmEngines(key) > 0) return;
    const gone = new CogmeshError('unavailable', `${key} could not be loaded: ${error.message}`, { model: key });
    for (const waiter of this.waiters.filter(({ model }) => model === key)) this.abandon(waiter, gone);
  }

  private acquire(model: string | undefined): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const { failures } = this;
        const why = model === undefined ? undefined : failures.get(model);
        this.abandon(
          waiter,
          new CogmeshError('unavailable', why ?? 'no engine process became free in time', { waitedMs: engineWaitMs }),
        );
      }, engineWaitMs);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          settle(value);
        };
      const waiter: Waiter = { model, resolve: settled(resolve), reject: settled(reject) };
      this.waiters.push(waiter);
      this.handOut();
    });
  }

  private abandon(waiter: Waiter, error: CogmeshError): void {
    const index = this.waiters.indexOf(waiter);
    if (index === -1) return;
    this.waiters.splice(index, 1);
    waiter.reject(error);
  }

  private release(slot: Slot): void {
    slot.busy = false;
    this.handOut();
  }

  private handOut(): void {
    for (const slot of this.slots) {
      if (slot.busy || !slot.engine.isReady) continue;
      const forScripts = this.scriptSlots.includes(slot);
      const waiter = this.waiters.find(({ model }) => (model === undefined ? forScripts : slot.warm.has(model)));
      if (!waiter) continue;
      slot.busy = true;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      waiter.resolve(slot);
    }
  }

  private shelve(slot: Slot, blobs: ReadonlyMap<string, Uint8Array>): void {
    for (const [key, bytes] of blobs) {
      if (slot.shelved.has(key)) continue;
      slot.shelved.add(key);
      slot.engine.post({ kind: 'shelve', key, bytes });
    }
  }

  private async within<T>(
    slot: Slot,
    work: Promise<T>,
    limit: { ms: number; code: 'timeout' | 'script_timeout' },
  ): Promise<T> {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      slot.engine.kill();
    }, limit.ms);
    try {
      return await work;
    } catch (thrown) {
      if (!expired) throw thrown;
      throw new CogmeshError(limit.code, `it ran longer than ${limit.ms} ms and was ended`, { limitMs: limit.ms });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Bytes of models would be better; their number is what is known before they load. */
function weightOf(slot: Slot): number {
  return slot.placed.size;
}
