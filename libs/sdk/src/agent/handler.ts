/** What the author of an agent writes, and what each call of it is given. */
import type { BlobDownload } from '../blobs.js';
import type { BlobReference } from '../run-document.js';

export interface TaskContext {
  /** Aborted when the attempt is cancelled, its time is up, or the agent must leave; stop working then. */
  readonly signal: AbortSignal;
  /** From 1; higher after a failure or a lost lease. */
  readonly attempt: number;
  readonly runId: string;
  readonly taskId: string;
  /** forEach item, from 0; undefined for a plain task. */
  readonly index: number | undefined;
  /** Whose work it is. */
  readonly organisation: string;
  /** W3C traceparent, to continue the run's trace with a tracer of your own; empty when there is none. */
  readonly traceparent: string;
  /** Tells how far the work is: JSON of at most 4 KiB; only the newest counts, and one may be lost. */
  progress(data: unknown): void;
  /** A line for whoever watches the run: it arrives as `task.progress` with `{ log }`; cut after 1,000 characters. */
  log(line: string): void;
  /** A part of the output ahead of the whole: it arrives as `task.progress` with `{ partial }`, at most 4 KiB of JSON. */
  partial(value: unknown): void;
  /** Reads a blob through the gateway with the agent's own token: its organisation must be allowed to. */
  blob(blob: string | BlobReference): Promise<BlobDownload>;
}

/**
 * Serves one tool. What it returns becomes the task's output (JSON). A CogmeshError fails the attempt with its code, and is
 * tried again when that code is retryable; any other error fails it with `task_failed`. An attempt may run more than once,
 * so it should do no harm the second time.
 */
export type Handler<Input = unknown> = (input: Input, context: TaskContext) => unknown;

export interface HandlerOptions {
  /**
   * Calls at once. Default 1. With `{ initial, max }` the mesh may raise it up to `max` while work waits for this tool and the
   * host has room, and lowers it to `initial` again; for handlers that wait for something outside.
   */
  readonly concurrency?: number | { readonly initial: number; readonly max: number };
  /** What limits the handler: `io` waits, `cpu` computes. Judged by the processor time it is seen to use when absent. */
  readonly bound?: 'io' | 'cpu';
  /**
   * JSON Schema (2020-12) of the input, at most 32 KiB: a run whose input does not match is refused when it is submitted, or fails
   * with `invalid_input` before the handler sees it. The mesh refuses at `start` what it cannot check (`invalid_argument`). With
   * zod: `z.toJSONSchema(schema)`.
   */
  readonly inputSchema?: object | boolean;
}

export interface ServedTool {
  readonly capability: string;
  /** Calls at once now. */
  slots: number;
  readonly range: { readonly initial: number; readonly max: number };
  readonly bound: 'io' | 'cpu' | undefined;
  readonly inputSchemaJson?: string;
  readonly handler: Handler<never>;
}
