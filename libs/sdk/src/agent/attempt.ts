/** One attempt from work to result: the handler with its context, the time limit, and what its outcome is called. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { BlobDownload } from '../blobs.js';
import type { BlobReference } from '../run-document.js';
import type { Handler, TaskContext } from './handler.js';

export type ResultInit = MessageInitShape<typeof workV1.ResultSchema>;

/** The registry stores larger outputs as blobs; this is what one message may carry. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** Contract: work.proto. */
const MAX_PROGRESS_BYTES = 4 * 1024;
/** At four bytes a character, a line still fits into a word of progress. */
const MAX_LOG_CHARACTERS = 1_000;
const MAX_DETAILS_BYTES = 16 * 1024;
const MAX_MESSAGE_CHARACTERS = 2_000;

export interface AttemptPorts {
  readonly progress: (dataJson: string) => void;
  readonly blob: (blob: string | BlobReference, signal: AbortSignal) => Promise<BlobDownload>;
}

export class Attempt {
  readonly #work: workV1.Work;
  readonly #ports: AttemptPorts;
  readonly #abort = new AbortController();

  constructor(work: workV1.Work, ports: AttemptPorts) {
    this.#work = work;
    this.#ports = ports;
  }

  abort(reason: CogmeshError): void {
    this.#abort.abort(reason);
  }

  /** Never rejects: whatever happens is a result. */
  async run(handler: Handler<never>): Promise<ResultInit> {
    const { attemptId, runId, timeoutMs } = this.#work;
    const startedMs = performance.now();
    const timer = timeoutMs > 0 ? setTimeout(() => this.abort(timeUp(timeoutMs)), timeoutMs) : undefined;
    const outcome = await this.#outcome(handler).finally(() => clearTimeout(timer));
    const timing = { queueMs: 0, computeMs: performance.now() - startedMs, batchSize: 1 };
    return { attemptId, runId, outcome, timing };
  }

  async #outcome(handler: Handler<never>): Promise<NonNullable<ResultInit['outcome']>> {
    try {
      const input: unknown = this.#work.inputJson === '' ? null : JSON.parse(this.#work.inputJson);
      const output = await this.#untilAborted(handler(input as never, this.#context()));
      return { case: 'outputJson', value: outputJson(output) };
    } catch (thrown) {
      return { case: 'error', value: errorInfo(thrown) };
    }
  }

  /** A handler that ignores its signal does not hold the result back. */
  #untilAborted(output: unknown): Promise<unknown> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as CogmeshError);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      Promise.resolve(output)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  #context(): TaskContext {
    const { attempt, runId, taskId, index, organisation, traceparent } = this.#work;
    const { signal } = this.#abort;
    return {
      signal,
      attempt,
      runId,
      taskId,
      index,
      organisation,
      traceparent,
      progress: (data) => this.#ports.progress(progressJson(data)),
      log: (line) => this.#ports.progress(progressJson({ log: line.slice(0, MAX_LOG_CHARACTERS) })),
      partial: (value) => this.#ports.progress(progressJson({ partial: value })),
      blob: (blob) => this.#ports.blob(blob, signal),
    };
  }
}

const timeUp = (timeoutMs: number) => new CogmeshError('timeout', `the attempt took longer than ${timeoutMs} ms`);

function progressJson(data: unknown): string {
  const text = JSON.stringify(data) ?? 'null';
  if (Buffer.byteLength(text) > MAX_PROGRESS_BYTES) {
    throw new CogmeshError('payload_too_large', `progress is at most ${MAX_PROGRESS_BYTES} bytes of JSON`);
  }
  return text;
}

function outputJson(output: unknown): string {
  const text = JSON.stringify(output) ?? 'null';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_OUTPUT_BYTES) {
    const message = `the output is ${bytes} bytes; at most ${MAX_OUTPUT_BYTES} are allowed`;
    throw new CogmeshError('output_too_large', message, { bytes, limit: MAX_OUTPUT_BYTES });
  }
  return text;
}

function errorInfo(thrown: unknown): { code: string; message: string; retryable: boolean; detailsJson: string } {
  const known = thrown instanceof CogmeshError ? thrown : new CogmeshError('task_failed', messageOf(thrown));
  const details = JSON.stringify(known.details);
  return {
    code: known.code,
    message: known.message.slice(0, MAX_MESSAGE_CHARACTERS),
    retryable: known.retryable,
    detailsJson: Buffer.byteLength(details) > MAX_DETAILS_BYTES ? '{}' : details,
  };
}

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown));
