export { CogmeshError, type ErrorCode, type Issue } from '@cogmesh/errors';
export { createAgent, type Agent, type AgentOptions } from './agent/create-agent.js';
export type { Handler, HandlerOptions, TaskContext } from './agent/handler.js';
export type { BlobContent, BlobDownload, StoredBlob } from './blobs.js';
export { CogmeshClient, reference, type CallScope, type CogmeshClientOptions } from './cogmesh-client.js';
export type { TokenSource } from './http-transport.js';
export type {
  AgentView,
  Explanation,
  ModelView,
  PolicySetView,
  PortraitView,
  RuleView,
  SpanView,
  SubjectView,
  TraceView,
} from './mesh-views.js';
export type { BlobReference, RunDocument, TaskDocument } from './run-document.js';
export {
  isEnded,
  type ErrorView,
  type RunPage,
  type RunState,
  type RunView,
  type TaskState,
  type TaskView,
} from './run-view.js';
export type { RunEvent, WatchOptions } from './watch-run.js';
