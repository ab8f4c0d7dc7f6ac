import type { Json } from './json.js';
import type { RetryPolicy } from './limits.js';

/** A validated run document: what the scheduler stores and works from. Templates are kept as written. */
export interface RunPlan {
  readonly name: string;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  /** From submit to the end, milliseconds. */
  readonly deadlineMs?: number;
  readonly input: Json;
  readonly tasks: readonly TaskPlan[];
  /** Template of the run's output. */
  readonly output?: Json;
}

export interface TaskPlan {
  readonly id: string;
  /** Canonical, organisation included. */
  readonly uses: string;
  /** Named by the author or by an expression, without repeats. */
  readonly depends: readonly string[];
  readonly priority: number;
  readonly input: Json;
  /** Template of a boolean. */
  readonly when?: string;
  /** Template of a list. */
  readonly forEach?: string;
  /** Items in progress at once; absent means no bound of its own. */
  readonly maxParallel?: number;
  readonly script?: string;
  readonly retry: RetryPolicy;
  /** Start to close, milliseconds. */
  readonly timeoutMs: number;
  /** Ready to started, milliseconds. */
  readonly queueTimeoutMs?: number;
}

/** A right the submitter needs for what the document names. */
export interface NeededAccess {
  readonly action: 'create' | 'infer' | 'read';
  readonly resource: string;
}
