/**
 * The models this worker serves: which are wanted, loading, warm or failed, and one batcher for each. It says what the
 * worker announces. Models load behind the service's start; a model that fails is told and left out, the others go on.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import {
  Batcher,
  parseModelReference,
  resolveVersion,
  type BatchItem,
  type BatchOutcome,
} from '@cogmesh/inference-core';
import { errorOfFailure } from '../engine/failure.js';
import type { ItemOutcome, ModelToLoad, TaskInput, TaskOutput } from '../engine/protocol.js';
import type { EnginePool } from '../engines/engine-pool.js';

/** One request on its way through a model's batcher. */
export interface BatchedRequest {
  readonly input: TaskInput;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** From start to the kill, milliseconds. */
  readonly timeoutMs: number;
  readonly onStarted: (batch: BatchStart) => void;
  /** Span the request belongs to. */
  readonly traceparent: string | undefined;
}

export interface BatchStart {
  readonly engine: string;
  /** Milliseconds the request waited for its batch. */
  readonly queueMs: number;
  readonly batchSize: number;
}

export interface BatchedAnswer {
  readonly output: TaskOutput;
  readonly computeMs: number;
}

/** A batch that was run, for telemetry. */
export interface RanBatch {
  readonly model: ModelToLoad;
  readonly engine: string;
  readonly requests: readonly BatchedRequest[];
  readonly startMs: number;
  readonly endMs: number;
  readonly error?: unknown;
}

export interface ServedModel {
  readonly model: ModelToLoad;
  readonly batcher: Batcher<BatchedRequest, BatchedAnswer>;
}

export interface ModelBookOptions {
  readonly pool: EnginePool;
  readonly modelEngines: number;
  /** Waiting items per running one that are announced as credits. */
  readonly queueDepth: number;
  readonly onBatch?: (batch: RanBatch) => void;
}

export class ModelBook {
  private readonly served = new Map<string, ServedModel>();

  constructor(private readonly options: ModelBookOptions) {}

  /** Starts loading; resolves when the model is warm on one engine. */
  async load(model: ModelToLoad): Promise<void> {
    if (!this.served.has(model.key)) this.served.set(model.key, { model, batcher: this.batcherOf(model) });
    await this.options.pool.load(model);
  }

  async unload(key: string): Promise<void> {
    if (!this.served.delete(key)) throw new CogmeshError('not_found', `${key} is not served here`);
    await this.options.pool.unload(key);
  }

  get models(): readonly ServedModel[] {
    return [...this.served.values()];
  }

  /** The model by its exact key; `unavailable` when it is not served here. */
  get(key: string): ServedModel {
    const served = this.served.get(key);
    if (!served) throw new CogmeshError('unavailable', `${key} is not served here`, { model: key });
    return served;
  }

  /** The best version of `<org>/<name>[@range]`; `not_found` when there is none. */
  resolve(reference: string): ServedModel {
    const { name, range } = parseModelReference(reference);
    const versions = this.models
      .filter(({ model }) => model.manifest.name === name)
      .map(({ model }) => model.manifest.version);
    const version = resolveVersion(versions, range);
    if (version === undefined) {
      throw new CogmeshError('not_found', `no version of ${name} in ${range} is served here`, {
        model: reference,
        versions,
      });
    }
    return this.get(`${name}@${version}`);
  }

  /** Warm, so that work starts at once. */
  isWarm(key: string): boolean {
    return this.options.pool.warmEngines(key) > 0;
  }

  /** Not warm, and no engine could load it. */
  isBroken(key: string): boolean {
    return !this.isWarm(key) && this.options.pool.failureOf(key) !== undefined;
  }

  /** Work items of one model taken at once. */
  creditsOf({ model }: ServedModel): number {
    const { instances, batching } = model.manifest;
    return Math.min(instances, this.options.modelEngines) * batching.maxBatch * (1 + this.options.queueDepth);
  }

  private batcherOf(model: ModelToLoad): Batcher<BatchedRequest, BatchedAnswer> {
    const { batching, instances } = model.manifest;
    return new Batcher(
      { ...batching, lanes: Math.min(instances, this.options.modelEngines) },
      {
        run: (items) => this.runBatch(model, items),
        now: () => performance.now(),
        startTimer: (delayMs, callback) => {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
      },
    );
  }

  private async runBatch(
    model: ModelToLoad,
    items: readonly BatchItem<BatchedRequest>[],
  ): Promise<readonly BatchOutcome<BatchedAnswer>[]> {
    const requests = items.map((item) => item.input);
    let start: { engine: string; startMs: number } | undefined;
    const waitingSince = performance.now();
    const onStarted = (engine: string): void => {
      start = { engine, startMs: Date.now() };
      const engineWaitMs = performance.now() - waitingSince;
      for (const { input, queueMs } of items)
        input.onStarted({ engine, queueMs: queueMs + engineWaitMs, batchSize: items.length });
    };
    try {
      const { outcomes, computeMs } = await this.options.pool.run({
        model: model.key,
        items: requests.map((request) => request.input),
        blobs: new Map(requests.flatMap((request) => [...request.blobs])),
        timeoutMs: Math.max(...requests.map((request) => request.timeoutMs)),
        onStarted,
      });
      return outcomes.map((outcome) => answerOf(outcome, computeMs));
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      if (start) this.options.onBatch?.({ model, requests, ...start, endMs: Date.now(), error });
      start = undefined;
      throw error;
    } finally {
      if (start) this.options.onBatch?.({ model, requests, ...start, endMs: Date.now() });
    }
  }
}

function answerOf(outcome: ItemOutcome, computeMs: number): BatchOutcome<BatchedAnswer> {
  return outcome.ok
    ? { ok: true, value: { output: outcome.value, computeMs } }
    : { ok: false, error: errorOfFailure(outcome.error) };
}
