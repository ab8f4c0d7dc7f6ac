/** The document of `POST /v1/runs`. Types only: the scheduler validates, and reports every problem at once. */

/** A large payload by reference, as it stands in a run's input or output. */
export interface BlobReference {
  /** `blob_` followed by a ULID. */
  readonly $blob: string;
  readonly mediaType?: string;
  readonly bytes?: number;
}

export interface RunDocument {
  readonly name?: string;
  /** 0 to 9, higher first. Default 5. */
  readonly priority?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** The whole run must be over within this time, milliseconds. */
  readonly deadlineMs?: number;
  /** Any JSON; expressions see it as `input`. */
  readonly input?: unknown;
  readonly tasks: readonly TaskDocument[];
  /** Usually an expression, for example `${{ tasks.join.output }}`. */
  readonly output?: unknown;
}

export interface TaskDocument {
  /** `^[a-z][a-z0-9_-]{0,62}$`, unique in the run. */
  readonly id: string;
  /** `model:<org>/<name>[@range]`, `tool:<org>/<name>`, `script`, `sleep`. */
  readonly uses: string;
  readonly depends?: readonly string[];
  readonly input?: unknown;
  /** Source of a `script` task: a function body with `input` in scope. */
  readonly script?: string;
  /** An expression; false skips the task. */
  readonly when?: unknown;
  /** An expression that yields a list; the task runs once for each item. */
  readonly forEach?: unknown;
  readonly maxParallel?: number;
  readonly priority?: number;
  readonly retry?: { readonly maxAttempts?: number; readonly backoffMs?: number };
  /** Start to close, milliseconds. */
  readonly timeoutMs?: number;
  /** Further fields of later versions. */
  readonly [field: string]: unknown;
}
