export { CogmeshError, type ErrorCode, type Issue } from '@cogmesh/errors';
export { AccessClient } from './access-client.js';
export type {
  AccessAction,
  AccessDecision,
  AccessEntity,
  AccessObligation,
  AccessQuestion,
  AccessSearch,
  DecisionPoint,
  EvaluationsSemantic,
} from './access-views.js';
export { AuditClient } from './audit-client.js';
export type { AuditAnchor, AuditEntryView, AuditFilter, AuditPageView, AuditVerificationView } from './audit-views.js';
export { createAgent, type Agent, type AgentOptions } from './agent/create-agent.js';
export type { Handler, HandlerOptions, TaskContext } from './agent/handler.js';
export type { BlobContent, BlobDownload, StoredBlob } from './blobs.js';
export { CogmeshClient, reference, type CogmeshClientOptions, type RunFilter } from './cogmesh-client.js';
export { Dag, defineDag, expr, Task, type AnyTask, type DagOptions, type TaskDefinition } from './dag/dag.js';
export { mermaid } from './dag/mermaid.js';
export type { AnyReference, Reference } from './dag/reference.js';
export { DpopKey, type DpopRequest } from './dpop-key.js';
export type { CallScope, TokenSource } from './http-transport.js';
export type {
  AgentView,
  CapabilityView,
  Explanation,
  ModelView,
  PolicySetView,
  PortraitView,
  RuleView,
  SpanView,
  SubjectView,
  TraceView,
} from './mesh-views.js';
export type { GrantTermsDefinition, GrantView, IssuerClaimMap, IssuerDefinition, IssuerView } from './partner-views.js';
export { PartnersClient } from './partners-client.js';
export type { BlobReference, RetryPolicy, RunDocument, TaskDocument } from './run-document.js';
export {
  isEnded,
  type ErrorView,
  type RunPage,
  type RunState,
  type RunView,
  type TaskState,
  type TaskView,
} from './run-view.js';
export { PolicyClient } from './policy-client.js';
export type { PolicyCandidateView, PolicyFlipView, PolicyVersionView, SimulationView } from './policy-views.js';
export {
  RevocationsClient,
  type RevocationPage,
  type RevocationView,
  type RevokedThing,
} from './revocations-client.js';
export { SchedulingClient } from './scheduling-client.js';
export type {
  DeadLetterView,
  DeliveryView,
  LimitsView,
  ScheduleDefinition,
  ScheduleView,
  ScopeKind,
  ScopeView,
  WaitingView,
  WebhookDefinition,
  WebhookView,
} from './scheduling-views.js';
export type { RunEvent, WatchOptions } from './watch-run.js';
