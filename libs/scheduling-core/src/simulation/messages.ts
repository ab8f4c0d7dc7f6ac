/** What goes over the simulated bus and stream: the contract's messages with only what decisions depend on. */
export interface SimulatedWork {
  readonly runId: string;
  readonly taskId: string;
  readonly itemIndex: number;
  readonly attemptId: string;
  /** Whose scheduler hears of it. */
  readonly shard: number;
  readonly capability: string;
  readonly inputJson: string;
  /** Not to be started later than this, milliseconds since the epoch. */
  readonly notAfter: number;
}

export type ReportedOutcome =
  | { readonly case: 'output'; readonly json: string }
  | { readonly case: 'error'; readonly code: string; readonly retryable: boolean }
  /** Handed back unstarted. */
  | { readonly case: 'returned' };

export interface SimulatedResult {
  readonly runId: string;
  readonly attemptId: string;
  readonly agentId: string;
  readonly outcome: ReportedOutcome;
}

export interface SimulatedStarted {
  readonly runId: string;
  readonly attemptId: string;
  readonly agentId: string;
}

export type SimulatedMessage =
  | { readonly kind: 'work'; readonly works: readonly SimulatedWork[] }
  | { readonly kind: 'started'; readonly reports: readonly SimulatedStarted[] }
  | { readonly kind: 'results'; readonly reports: readonly SimulatedResult[] };

export const workQueueOf = (agentId: string): string => `agent.${agentId}.work`;
export const startedQueueOf = (shard: number): string => `scheduler.started.${shard}`;
export const resultsQueueOf = (shard: number): string => `scheduler.results.${shard}`;
