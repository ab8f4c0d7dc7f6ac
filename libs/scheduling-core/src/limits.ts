/** Bounds of one run document. Every figure is a default an operator may change; none protects only the caller. */
export interface RunLimits {
  /** Tasks in the document. */
  readonly maxTasks: number;
  /** Task rows after every forEach has been expanded. */
  readonly maxExpandedTasks: number;
  /** UTF-8 bytes of one script. */
  readonly maxScriptBytes: number;
  /** Characters of one expression, without its `${{ }}`. */
  readonly maxExpressionLength: number;
  /** Steps one expression may take; a step is a visited node, a copied list element or 64 copied characters. */
  readonly maxExpressionSteps: number;
  readonly maxDependsPerTask: number;
  readonly maxLabels: number;
  /** Problems reported at once; the rest is counted. */
  readonly maxIssues: number;
  readonly maxAttempts: number;
  /** Longest time-out, deadline or sleep, milliseconds. */
  readonly maxDurationMs: number;
  /** Shortest `heartbeatTimeoutMs`: agents report every two seconds. */
  readonly minHeartbeatTimeoutMs: number;
  /** Runs inside runs, the outermost included. */
  readonly maxNesting: number;
  /** Labels one task may ask of its agent. */
  readonly maxAffinities: number;
}

export const defaultRunLimits: RunLimits = {
  maxTasks: 10_000,
  maxExpandedTasks: 100_000,
  maxScriptBytes: 64 * 1024,
  maxExpressionLength: 4_096,
  maxExpressionSteps: 1_000_000,
  maxDependsPerTask: 10_000,
  maxLabels: 64,
  maxIssues: 100,
  maxAttempts: 100,
  maxDurationMs: 30 * 24 * 3_600_000,
  minHeartbeatTimeoutMs: 5_000,
  maxNesting: 8,
  maxAffinities: 16,
};

/** What a task gets that says nothing itself. */
export interface TaskDefaults {
  readonly priority: number;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

/** How a task is tried again after a retryable error, a lost lease or a time-out. */
export interface RetryPolicy {
  /** The first attempt included. */
  readonly maxAttempts: number;
  /** Wait before the second attempt, milliseconds; multiplied by `factor` for each further one. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** 1-10; 2 when absent. */
  readonly factor?: number;
  /** 0-1: the part of the wait that is random. */
  readonly jitter: number;
  /** Only these error codes are tried again, whether the agent called them retryable or not. */
  readonly on?: readonly string[];
  /** These error codes are never tried again. */
  readonly notOn?: readonly string[];
}

export const defaultTaskDefaults: TaskDefaults = {
  priority: 5,
  timeoutMs: 60_000,
  retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 30_000, jitter: 0.2 },
};
