/** What routing knows of an agent: the part of the registry's record that a choice depends on. */
export interface RoutableAgent {
  readonly id: string;
  readonly organisation: string;
  /** `worker` consumes the broker itself; `sdk` gets its work relayed on its stream. */
  readonly kind: 'worker' | 'sdk';
  readonly state: 'STARTING' | 'READY' | 'DRAINING' | 'LOST' | 'GONE';
  readonly capabilities: readonly OfferedCapability[];
  /** Where it runs and what it has, as its operator says. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Moving average of run time, milliseconds; 0 when unknown. */
  readonly latencyMs: number;
  /** Work items waiting inside the agent. */
  readonly queued: number;
}

export interface OfferedCapability {
  /** `model:acme/ppocr-detect@4.0.0`, `tool:acme/lookup`, `script`. */
  readonly name: string;
  /** Work items it takes at once. */
  readonly credits: number;
  /** Loaded and warm. */
  readonly ready: boolean;
  /** JSON Schema of its input, as announced; absent where inputs are not checked. */
  readonly inputSchema?: string;
}

/** An agent that can serve a task now, with the exact capability it would serve it as. */
export interface Candidate {
  readonly agent: RoutableAgent;
  readonly capability: OfferedCapability;
}
