/**
 * One attempt from work message to result: read its blobs, check its input, wait for an engine, say that it began, run it,
 * and put the answer into the contract's form. What ends before it began goes back uncounted where the cause is ours.
 */
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { isBlobId } from '@cogmesh/blobs';
import type { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { InferenceAnswer, RequestOptions } from '../inference/inference.js';
import { outputValue, type Inference } from '../inference/inference.js';
import type { BatchStart, ModelBook } from '../inference/model-book.js';
import { parseInput, prepareInput, type ReadReference } from '../inference/prepare-input.js';
import type { HeldAttempt } from './attempt-book.js';
import { notABlob, type BlobCache } from './blob-cache.js';
import { endedUnstarted, failed, inlineOutputBytes, returned, type Outcome } from './outcome.js';
import type { ResultInit } from './report.js';
import { untilReachable } from './until-reachable.js';

export interface AttemptRunnerOptions {
  readonly agentId: string;
  readonly models: ModelBook;
  readonly inference: Inference;
  readonly blobs: BlobCache;
  readonly storeOutput: (json: Uint8Array, owner: { organisation: string; grantJws: string }) => Promise<string>;
  readonly maxOutputBytes: number;
  /** Whether the worker is draining, so that what it aborts is handed back. */
  readonly isDraining: () => boolean;
}

/** Work with the grant it came under and the blobs that grant lets it read. */
export interface GrantedWork {
  readonly work: workV1.Work;
  readonly grantJws: string;
  readonly blobs: ReadonlySet<string>;
}

/** Time of a task that names none, milliseconds. */
const defaultTimeoutMs = 60_000;

export class AttemptRunner {
  constructor(private readonly options: AttemptRunnerOptions) {}

  /** Never rejects: whatever happens is the attempt's outcome. `onStarted` once, when it reaches an engine. */
  async run(granted: GrantedWork, held: HeldAttempt, onStarted: (start: BatchStart) => void): Promise<ResultInit> {
    const { work } = granted;
    const shelved: string[] = [];
    try {
      const answer = await this.infer(granted, held, {
        shelved,
        onStarted: (start) => {
          held.started = true;
          onStarted(start);
        },
      });
      return this.result(work, await this.outcomeOf(answer, granted), answer);
    } catch (thrown) {
      const error = held.signal.aborted ? held.signal.reason : thrown;
      return this.result(work, held.started ? failed(error) : endedUnstarted(error, this.options.isDraining()));
    } finally {
      for (const key of shelved) this.options.blobs.release(key);
    }
  }

  /** A result for work that is not run at all. */
  returned(work: workV1.Work, code: string, reason: string): ResultInit {
    return this.result(work, returned(code, reason));
  }

  refused(work: workV1.Work, error: CogmeshError): ResultInit {
    return this.result(work, failed(error));
  }

  private async infer(
    granted: GrantedWork,
    held: HeldAttempt,
    hooks: { shelved: string[]; onStarted: (start: BatchStart) => void },
  ): Promise<InferenceAnswer> {
    const { work } = granted;
    const options = (): RequestOptions => ({
      priority: work.priority,
      timeoutMs: work.timeoutMs > 0 ? work.timeoutMs : defaultTimeoutMs,
      signal: held.signal,
      onStarted: hooks.onStarted,
      ...(work.notAfter ? { startWithinMs: timestampMs(work.notAfter) - Date.now() } : {}),
    });
    const { inference, models } = this.options;
    if (work.capability === 'script') return inference.runScript(work.script, work.inputJson, options());
    const served = models.get(work.capability.replace(/^model:/, ''));
    const input = parseInput(work.inputJson);
    const prepared = await prepareInput(served.model, input, this.blobReader(granted, held, hooks.shelved));
    return inference.run(served, prepared, options());
  }

  private blobReader({ work, grantJws, blobs }: GrantedWork, held: HeldAttempt, shelved: string[]): ReadReference {
    return async ({ $blob }) => {
      if (typeof $blob !== 'string' || !isBlobId($blob)) throw notABlob();
      if (!blobs.has($blob))
        throw new CogmeshError('invalid_grant', `the task grant does not list ${$blob}`, { blob: $blob });
      const { organisation, runId } = work;
      const request = { organisation, runId, blobId: $blob, grantJws };
      const deadline = work.notAfter ? Math.max(0, timestampMs(work.notAfter) - Date.now()) : defaultTimeoutMs;
      const signal = AbortSignal.any([held.signal, AbortSignal.timeout(deadline)]);
      const read = await untilReachable(() => this.options.blobs.acquire(request), {
        signal,
        isOutage: ({ code }) => code === 'unavailable',
      });
      shelved.push(read.key);
      return read;
    };
  }

  private async outcomeOf({ output }: InferenceAnswer, { work, grantJws }: GrantedWork): Promise<Outcome> {
    const json = Buffer.from(JSON.stringify(outputValue(output)));
    if (json.byteLength <= inlineOutputBytes) return { case: 'outputJson', value: json.toString() };
    const { maxOutputBytes, storeOutput } = this.options;
    if (json.byteLength > maxOutputBytes) {
      const message = `the output has ${json.byteLength} bytes of JSON, at most ${maxOutputBytes} are accepted`;
      return failed(new CogmeshError('output_too_large', message, { bytes: json.byteLength, limit: maxOutputBytes }));
    }
    return { case: 'outputJson', value: await storeOutput(json, { organisation: work.organisation, grantJws }) };
  }

  private result(
    { attemptId, runId, capability }: workV1.Work,
    outcome: Outcome,
    answer?: InferenceAnswer,
  ): ResultInit {
    const { agentId, models } = this.options;
    const manifest = models.models.find(({ model }) => `model:${model.key}` === capability)?.model.manifest;
    const timing = answer && {
      queueMs: answer.queueMs,
      computeMs: answer.computeMs,
      batchSize: answer.batchSize,
      modelVersion: manifest?.version ?? '',
      variant: manifest?.variants[0]?.name ?? '',
    };
    return { attemptId, runId, agentId, outcome, ...(timing ? { timing } : {}) };
  }
}

/** When an attempt began, as the contract says it. */
export function startedAt(nowMs: number) {
  return timestampFromMs(nowMs);
}
