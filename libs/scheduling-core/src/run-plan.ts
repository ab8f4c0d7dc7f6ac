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
  /** Without a sign of life of the attempt for so long it counts as lost, milliseconds. */
  readonly heartbeatTimeoutMs?: number;
  /** What a failure for good means for the rest of the run; `fail` when absent. */
  readonly onFailure?: FailurePolicy;
  /** What an item that fails for good means for its forEach; `fail` when absent. */
  readonly itemFailure?: ItemFailurePolicy;
  /** Tasks of the organisation that name the same group share its limits. */
  readonly concurrencyGroup?: string;
  /** Labels the agent must carry, each with this value. */
  readonly affinity?: Readonly<Record<string, string>>;
  /** The author named the priority: a change of the run's leaves it alone. */
  readonly ownPriority?: true;
  /** Only of `approval`. */
  readonly approval?: ApprovalRule;
  /** Only of `run`: the nested run; its input is replaced by the task's. */
  readonly nested?: RunPlan;
}

/**
 * `fail`: the run fails, descendants are skipped, nothing new starts. `continue`: descendants are skipped, the rest goes on,
 * the run fails at its end. `ignore`: children go on with output null, as if it had succeeded.
 */
export type FailurePolicy = 'fail' | 'continue' | 'ignore';

/** `fail`: the first failed item fails the task. `continue`: failed items are null in the list. */
export type ItemFailurePolicy = 'fail' | 'continue';

export interface ApprovalRule {
  /** Different subjects that must approve. */
  readonly approvers: 1 | 2;
  /** An approver holds at least one of them; empty means anybody whom policy allows. */
  readonly roles: readonly string[];
  /** Who may not approve although they hold a role: who submitted the run. */
  readonly notBy?: 'submitter';
}

/** A right the submitter needs for what the document names. */
export interface NeededAccess {
  readonly action: 'create' | 'infer' | 'read' | 'write' | 'approve';
  readonly resource: string;
}
