/** What the gateway answers: runs, tasks and their events as JSON. Times are ISO 8601, absent ones are null. */

export type RunState = 'PENDING' | 'RUNNING' | 'PAUSED' | 'CANCELLING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

export type TaskState =
  | 'BLOCKED'
  | 'READY'
  | 'CLAIMED'
  | 'PUBLISHED'
  | 'RUNNING'
  | 'RETRY_WAIT'
  | 'WAITING'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'CANCELLED'
  | 'SKIPPED';

export interface ErrorView {
  /** Stable. */
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: unknown;
}

export interface TaskView {
  readonly id: string;
  /** With the exact version once an agent was chosen. */
  readonly uses: string;
  readonly state: TaskState;
  readonly depends?: readonly string[];
  readonly attempt: number;
  readonly agent?: string | null;
  /** Milliseconds from ready to started. */
  readonly queuedMs?: number | null;
  /** Milliseconds from started to finished. */
  readonly runMs?: number | null;
  readonly items?: { readonly total: number; readonly succeeded: number; readonly failed: number } | null;
  readonly error?: ErrorView | null;
  /** Why it is not running yet. */
  readonly waiting?: { readonly code: string; readonly message: string } | null;
}

export interface RunView {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly state: RunState;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly startedAt?: string | null;
  readonly finishedAt?: string | null;
  readonly traceId: string;
  readonly submittedBy?: string;
  /** Of the newest event. */
  readonly sequence?: number;
  /** Absent in lists. */
  readonly tasks?: readonly TaskView[];
  readonly output?: unknown;
  readonly error?: ErrorView | null;
  /** Nothing new of it starts. */
  readonly paused?: boolean;
  /** Run that this one retries or repeats. */
  readonly originRun?: string | null;
  /** Run and task that started this one. */
  readonly parentRun?: string | null;
  readonly parentTask?: string | null;
  /** Id of the schedule that fired it. */
  readonly schedule?: string | null;
}

export interface RunPage {
  readonly runs: readonly RunView[];
  /** Empty or null on the last page. */
  readonly nextCursor?: string | null;
}

const ended: ReadonlySet<string> = new Set<RunState>(['SUCCEEDED', 'FAILED', 'CANCELLED']);

/** Whether a run in this state will never change again. */
export function isEnded(state: RunState): boolean {
  return ended.has(state);
}
