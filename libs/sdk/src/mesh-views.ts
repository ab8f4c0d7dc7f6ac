/** What the gateway tells of the mesh around a run: models, agents, the caller, decisions, traces, policies. */

export interface ModelView {
  /** `acme/ppocr-detect`. */
  readonly name: string;
  readonly version: string;
  readonly ready: boolean;
  /** Agents that serve it now. */
  readonly agents: number;
  /** OIP model metadata. */
  readonly metadata?: unknown;
  /** JSON Schema that the input of a task is held against; null where it is not checked. */
  readonly inputSchema?: unknown;
}

export interface PortraitView {
  readonly time: string | null;
  /** Of one core, 0-1 per core used. */
  readonly cpu: number;
  readonly gpu: number;
  readonly memoryBytes: number;
  readonly queued: number;
  readonly running: number;
  /** Moving average of run time. */
  readonly latencyMs: number;
  readonly warmModels: readonly string[];
  readonly providers: readonly string[];
}

export interface CapabilityView {
  readonly name: string;
  /** Work items it takes at once. */
  readonly credits: number;
  /** Up to which the mesh may raise its credits; 0 where they are fixed. */
  readonly maxCredits: number;
  readonly ready: boolean;
  /** JSON Schema that the input of a task is held against; null where it is not checked. */
  readonly inputSchema?: unknown;
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly kind: 'WORKER' | 'SDK';
  readonly state: 'STARTING' | 'READY' | 'DRAINING' | 'LOST' | 'GONE';
  readonly capabilities: readonly CapabilityView[];
  readonly labels: Readonly<Record<string, string>>;
  readonly portrait: PortraitView | null;
  readonly connectedAt: string | null;
  readonly lastHeartbeatAt: string | null;
}

export interface SubjectView {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What one candidate rule did. */
export interface RuleView {
  readonly organisation: string;
  readonly id: string;
  readonly effect: string;
  readonly outcome: 'matched' | 'skipped' | 'failed';
  readonly detail: string;
  readonly condition: string;
}

export interface Explanation {
  readonly allowed: boolean;
  /** Stable. */
  readonly code: string;
  readonly reason: string;
  readonly decisionId: string;
  readonly epoch: number;
  /** Partner grant the right rests on. */
  readonly grant: string | null;
  readonly rules: readonly RuleView[];
}

export interface SpanView {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  /** Microseconds since the epoch. */
  readonly startUs: number;
  readonly endUs: number;
  readonly error: boolean;
  readonly statusMessage: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export interface TraceView {
  readonly traceId: string;
  /** By start time. */
  readonly spans: readonly SpanView[];
}

export interface PolicySetView {
  readonly epoch: number;
  readonly policySet: unknown;
}
