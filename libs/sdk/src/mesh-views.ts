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
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly kind: string;
  readonly state: 'STARTING' | 'READY' | 'DRAINING' | 'LOST' | 'GONE';
  readonly capabilities: readonly { readonly name: string; readonly credits: number; readonly ready: boolean }[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly portrait?: Readonly<Record<string, unknown>> | null;
  readonly [field: string]: unknown;
}

export interface SubjectView {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface Explanation {
  readonly allowed: boolean;
  readonly code: string;
  readonly reason: string;
  /** One line per rule, or one object. */
  readonly rules: readonly unknown[];
  readonly [field: string]: unknown;
}

export interface SpanView {
  readonly spanId: string;
  readonly parentSpanId?: string | null;
  readonly name: string;
  readonly service?: string;
  readonly [field: string]: unknown;
}

export interface TraceView {
  readonly traceId: string;
  readonly spans: readonly SpanView[];
  readonly [field: string]: unknown;
}

export interface PolicySetView {
  readonly epoch: number;
  readonly [field: string]: unknown;
}
