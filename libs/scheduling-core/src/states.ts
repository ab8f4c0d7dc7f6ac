/**
 * The state machine of contract.md as tables. `transition` answers the next state, or undefined for an event the state
 * does not know: such an event is ignored and counted by the caller, never an error. Terminal states know no event.
 *
 * Three rows say more than the contract's table, because the bus may reorder: a claim that is already started or answered
 * was published, whatever our own confirm says; a task that is no work for an agent (false `when`, `sleep`, `forEach`,
 * an input that cannot be computed) leaves READY without a claim; a forEach parent is RUNNING while its items are.
 */
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

export type TaskEvent =
  /** The last unmet dependency is met. */
  | 'released'
  | 'parent_failed'
  /** By a caller, by the run's deadline, or because the run has failed and nothing new starts. */
  | 'cancel'
  | 'claim'
  | 'queue_timeout'
  /** `when` is false. */
  | 'condition_false'
  /** Input, `when` or `forEach` cannot be computed. */
  | 'invalid'
  /** forEach made its items. */
  | 'expanded'
  /** `sleep`, `approval` or a nested `run` began. */
  | 'wait'
  | 'published'
  /** The agent's queue is gone. */
  | 'unroutable'
  | 'started'
  | 'returned'
  /** `notAfter` passed unstarted. */
  | 'expired'
  | 'agent_gone'
  | 'succeed'
  /** Retryable error (also of a nested run), lost lease or time-out, attempts left. */
  | 'retry'
  | 'fail'
  | 'timer';

type TaskRow = Readonly<Partial<Record<TaskEvent, TaskState>>>;

const backToReady = { returned: 'READY', expired: 'READY', agent_gone: 'READY' } as const satisfies TaskRow;
const finished = { succeed: 'SUCCEEDED', retry: 'RETRY_WAIT', fail: 'FAILED' } as const satisfies TaskRow;

export const taskTable: Readonly<Record<TaskState, TaskRow>> = {
  BLOCKED: { released: 'READY', parent_failed: 'SKIPPED', cancel: 'CANCELLED' },
  READY: {
    claim: 'CLAIMED',
    queue_timeout: 'FAILED',
    condition_false: 'SKIPPED',
    invalid: 'FAILED',
    expanded: 'RUNNING',
    wait: 'WAITING',
    cancel: 'CANCELLED',
  },
  CLAIMED: {
    published: 'PUBLISHED',
    unroutable: 'READY',
    started: 'RUNNING',
    ...backToReady,
    ...finished,
    cancel: 'CANCELLED',
  },
  PUBLISHED: { started: 'RUNNING', ...backToReady, ...finished, cancel: 'CANCELLED' },
  RUNNING: { ...finished, cancel: 'CANCELLED' },
  RETRY_WAIT: { timer: 'READY', cancel: 'CANCELLED' },
  WAITING: { timer: 'SUCCEEDED', ...finished, cancel: 'CANCELLED' },
  SUCCEEDED: {},
  FAILED: {},
  CANCELLED: {},
  SKIPPED: {},
};

export type RunState = 'PENDING' | 'RUNNING' | 'PAUSED' | 'CANCELLING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

export type RunEvent = 'start' | 'pause' | 'resume' | 'cancel' | 'cancelled' | 'succeed' | 'fail';

type RunRow = Readonly<Partial<Record<RunEvent, RunState>>>;

export const runTable: Readonly<Record<RunState, RunRow>> = {
  PENDING: { start: 'RUNNING', cancel: 'CANCELLING', pause: 'PAUSED', succeed: 'SUCCEEDED', fail: 'FAILED' },
  RUNNING: { cancel: 'CANCELLING', pause: 'PAUSED', succeed: 'SUCCEEDED', fail: 'FAILED' },
  // What runs goes on while a run is paused, and may be the last of it.
  PAUSED: { resume: 'RUNNING', cancel: 'CANCELLING', succeed: 'SUCCEEDED', fail: 'FAILED' },
  CANCELLING: { cancelled: 'CANCELLED' },
  SUCCEEDED: {},
  FAILED: {},
  CANCELLED: {},
};

/** The task's next state, or undefined when `event` does not apply. */
export function transition(state: TaskState, event: TaskEvent): TaskState | undefined {
  return taskTable[state][event];
}

/** The run's next state, or undefined when `event` does not apply. */
export function runTransition(state: RunState, event: RunEvent): RunState | undefined {
  return runTable[state][event];
}

const terminalTaskStates = new Set<TaskState>(['SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED']);
const terminalRunStates = new Set<RunState>(['SUCCEEDED', 'FAILED', 'CANCELLED']);
const heldStates = new Set<TaskState>(['CLAIMED', 'PUBLISHED', 'RUNNING']);

export const isTerminalTask = (state: TaskState): boolean => terminalTaskStates.has(state);
export const isTerminalRun = (state: RunState): boolean => terminalRunStates.has(state);
/** Handed to an agent, or about to be: it occupies a credit. */
export const isHeld = (state: TaskState): boolean => heldStates.has(state);
