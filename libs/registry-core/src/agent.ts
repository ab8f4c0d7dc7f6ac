/**
 * The vocabulary of an agent: what the registry knows of one, in plain data. Wall-clock times are milliseconds since the
 * epoch; liveness is judged on a monotonic clock elsewhere (agent-roster.ts) and never from these fields.
 */

export type AgentState = 'STARTING' | 'READY' | 'DRAINING' | 'LOST' | 'GONE';

/** `worker` takes work from the broker itself; `sdk` takes it on its stream, the registry consumes for it. */
export type AgentKind = 'worker' | 'sdk';

export interface Capability {
  /** `model:acme/ppocr-detect@4.0.0`, `tool:acme/lookup`, `script`. */
  readonly name: string;
  /** Work items it takes at once. */
  readonly credits: number;
  readonly ready: boolean;
  /** For models, OIP metadata; empty otherwise. */
  readonly metadataJson: string;
  /** Of the JSON Schema of its input, which is kept beside the agents; absent where inputs are not checked. */
  readonly inputSchemaSha256?: string;
  /** Absent where its credits are fixed. */
  readonly growth?: Growth;
}

/** How far the credits of a capability may be changed from outside, and what limits its work as its author says. */
interface Growth {
  readonly minCredits: number;
  readonly maxCredits: number;
  /** `io` waits, `cpu` computes; undefined where nobody says. */
  readonly bound: 'io' | 'cpu' | undefined;
}

/** An agent's state at one moment, as it measured itself. */
export interface Portrait {
  readonly timeMs: number;
  readonly cpu: number;
  readonly gpu: number;
  readonly memoryBytes: number;
  readonly queued: number;
  readonly running: number;
  readonly latencyMs: number;
  readonly warmModels: readonly string[];
  readonly providers: readonly string[];
  /** Of all cores of its host, whoever used them, 0-1; absent from an agent that does not say. */
  readonly hostCpu?: number;
  /** Work items running on average since the portrait before. */
  readonly meanRunning?: number;
  /** Work items that have ended since the agent started. */
  readonly completed?: number;
}

export interface AgentRecord {
  /** `agent_` followed by a ULID. */
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly kind: AgentKind;
  /** Who may connect under this id again: the same identity and nobody else. */
  readonly identity: string;
  readonly state: AgentState;
  readonly capabilities: readonly Capability[];
  readonly labels: Readonly<Record<string, string>>;
  /** host:port of its InferenceService; empty for SDK agents. */
  readonly address: string;
  readonly portrait: Portrait | undefined;
  readonly connectedAtMs: number;
  readonly lastHeartbeatAtMs: number;
  /** When `state` last changed. */
  readonly changedAtMs: number;
}

/** Time, passed in. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start; never jumps. */
  monotonicMs(): number;
}
