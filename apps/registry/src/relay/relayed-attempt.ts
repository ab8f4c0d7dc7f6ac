/** An attempt that an SDK agent has started: what its result needs when it comes, also after a restart of the registry. */
export interface RelayedAttempt {
  readonly attemptId: string;
  readonly agentId: string;
  readonly runId: string;
  /** Whose work it is: owner of a large output. */
  readonly organisation: string;
  readonly capability: string;
  /** The right to store that output. */
  readonly grantJws: string;
  readonly traceparent: string;
  readonly startedAtMs: number;
}

/** Where started attempts survive a restart. */
export interface RelayedAttempts {
  /** Durable when it resolves; no error for one that is there already. */
  add(attempt: RelayedAttempt): Promise<void>;
  remove(attemptIds: readonly string[]): Promise<void>;
  ofAgent(agentId: string): Promise<readonly RelayedAttempt[]>;
  /** Everything of agents that are forgotten. */
  removeAgents(agentIds: readonly string[]): Promise<void>;
}
