/**
 * One request to one model or script, whoever asks: the scheduler's work and direct calls take the same path and share the
 * same batchers and engines. It knows nothing of attempts, grants or transports.
 */
import { CogmeshError } from '@cogmesh/errors';
import { currentTraceparent } from '@cogmesh/telemetry';
import { jsonOfTensor } from '@cogmesh/tensors';
import type { TaskInput, TaskOutput } from '../engine/protocol.js';
import type { EnginePool } from '../engines/engine-pool.js';
import type { BatchedRequest, BatchStart, ModelBook, ServedModel } from './model-book.js';
import type { PreparedInput } from './prepare-input.js';

export interface InferenceOptions {
  readonly models: ModelBook;
  readonly pool: EnginePool;
  readonly scriptTimeoutMs: number;
  readonly scriptMemoryBytes: number;
  readonly maxOutputBytes: number;
}

export interface RequestOptions {
  /** 0-9, higher first. */
  readonly priority: number;
  /** From start to the end, milliseconds. */
  readonly timeoutMs: number;
  /** Milliseconds from now within which it must start; otherwise it fails with `timeout` unstarted. */
  readonly startWithinMs?: number;
  /** Cancels what has not started; a running script too. */
  readonly signal?: AbortSignal;
  /** It has begun on an engine. */
  readonly onStarted?: (start: BatchStart) => void;
}

export interface InferenceAnswer {
  readonly output: TaskOutput;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly batchSize: number;
}

/** Scripts that may wait; more are refused. */
const maxWaitingScripts = 256;

export class Inference {
  private waitingScripts = 0;
  private runningScripts = 0;

  constructor(private readonly options: InferenceOptions) {}

  /** Runs a prepared input on a model. Rejects as the batcher and the engine do. */
  async run(served: ServedModel, prepared: PreparedInput, options: RequestOptions): Promise<InferenceAnswer> {
    let start: BatchStart = { engine: '', queueMs: 0, batchSize: 1 };
    const request: BatchedRequest = {
      ...prepared,
      timeoutMs: options.timeoutMs,
      traceparent: currentTraceparent(),
      onStarted: (batch) => {
        start = batch;
        options.onStarted?.(batch);
      },
    };
    const { priority, signal, startWithinMs } = options;
    const { output, computeMs } = await served.batcher.submit(request, {
      priority,
      ...(signal ? { signal } : {}),
      ...(startWithinMs === undefined ? {} : { deadline: performance.now() + startWithinMs }),
    });
    return { output, computeMs, queueMs: start.queueMs, batchSize: start.batchSize };
  }

  /** Runs a script on its JSON input; the answer's output is JSON. */
  async runScript(source: string, inputJson: string, options: RequestOptions): Promise<InferenceAnswer> {
    if (this.waitingScripts >= maxWaitingScripts) {
      throw new CogmeshError('overloaded', `${maxWaitingScripts} scripts wait already`, { limit: maxWaitingScripts });
    }
    const { scriptTimeoutMs, scriptMemoryBytes, maxOutputBytes, pool } = this.options;
    const script = {
      source,
      inputJson,
      timeoutMs: Math.min(options.timeoutMs, scriptTimeoutMs),
      memoryBytes: scriptMemoryBytes,
      maxOutputBytes,
    };
    const arrivedAt = performance.now();
    let startedAt: number | undefined;
    this.waitingScripts += 1;
    const onStarted = (engine: string): void => {
      startedAt = performance.now();
      this.waitingScripts -= 1;
      this.runningScripts += 1;
      options.onStarted?.({ engine, queueMs: startedAt - arrivedAt, batchSize: 1 });
    };
    try {
      const { signal, startWithinMs } = options;
      const json = await pool.runScript(script, {
        onStarted,
        ...(signal ? { signal } : {}),
        ...(startWithinMs === undefined ? {} : { startBy: arrivedAt + startWithinMs }),
      });
      const value: unknown = JSON.parse(json);
      const begun = startedAt ?? arrivedAt;
      return {
        output: { kind: 'json', value },
        queueMs: begun - arrivedAt,
        computeMs: performance.now() - begun,
        batchSize: 1,
      };
    } finally {
      if (startedAt === undefined) this.waitingScripts -= 1;
      else this.runningScripts -= 1;
    }
  }

  /** Requests waiting and running now, and a typical run's time. */
  load(): { queued: number; running: number; latencyMs: number } {
    const figures = this.options.models.models.map(({ batcher }) => batcher.figures());
    const used = figures.filter((figure) => figure.batches > 0);
    return {
      queued: figures.reduce((sum, figure) => sum + figure.queued, this.waitingScripts),
      running: figures.reduce((sum, figure) => sum + figure.running, this.runningScripts),
      latencyMs: used.length === 0 ? 0 : used.reduce((sum, figure) => sum + figure.latencyMs, 0) / used.length,
    };
  }
}

/** An answer as a task's JSON output. */
export function outputValue(output: TaskOutput): unknown {
  return output.kind === 'tensors' ? { outputs: output.tensors.map(jsonOfTensor) } : output.value;
}

/** A chunk of a voice stream, as an input that needs no preparing. */
export function voiceChunk(chunk: Omit<Extract<TaskInput, { task: 'audio.vad.chunk' }>, 'task'>): PreparedInput {
  return { input: { task: 'audio.vad.chunk', ...chunk }, blobs: new Map() };
}
