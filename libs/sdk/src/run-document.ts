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
  /** `model:<org>/<name>[@range]`, `tool:<org>/<name>`, `script`, `sleep`, `approval`, `run`. */
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
  readonly retry?: RetryPolicy;
  /** Start to close, milliseconds. */
  readonly timeoutMs?: number;
  /** Ready to started, milliseconds. */
  readonly queueTimeoutMs?: number;
  /** Longest silence of a running attempt, milliseconds. */
  readonly heartbeatTimeoutMs?: number;
  /** What a failure of the task means for the run. Default `fail`. */
  readonly onFailure?: 'fail' | 'continue' | 'ignore';
  /** With `continue`, an item that failed is null in the list. */
  readonly itemFailure?: 'fail' | 'continue';
  /** Group whose limits it counts against. */
  readonly concurrencyGroup?: string;
  /** Only agents with all of these labels. */
  readonly affinity?: Readonly<Record<string, string>>;
  /** Of a `run` task: what the nested run does. */
  readonly document?: RunDocument;
  /** Further fields of later versions. */
  readonly [field: string]: unknown;
}

export interface RetryPolicy {
  readonly maxAttempts?: number;
  /** First wait, milliseconds. */
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly factor?: number;
  readonly jitter?: number;
  /** Only errors with these codes are tried again. */
  readonly on?: readonly string[];
  readonly notOn?: readonly string[];
}
