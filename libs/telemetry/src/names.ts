/**
 * Every span name and every attribute of the product. Names follow OpenTelemetry's semantic conventions where one exists
 * (`rpc.*`, `messaging.*`, `http.*`); ours start with `cogmesh.`. Nothing else in the code spells a span name.
 */

export const spanNames = {
  /** Gateway: verify the outside token. */
  authenticate: 'authenticate',
  /** Gateway: ask the policy service. */
  decide: 'decide',
  /** Policy service: the decision itself. */
  evaluate: 'evaluate policy',
  /** Enforcement point: verify the permit and check the replicated policy. */
  enforce: 'enforce',
  /** Scheduler: validate and store a run. */
  submit: 'submit run',
  /** Scheduler: from ready to claimed. */
  queueWait: 'queue wait',
  /** Scheduler: from claim to confirmed publication. */
  dispatch: 'dispatch',
  /** Agent: from delivery to published result. */
  runTask: 'run task',
  /** Agent: waiting for batch mates and an engine. */
  batch: 'batch',
  /** Engine: one model run, shared by the batch; linked, not parented. */
  modelRun: 'model run',
  /** Scheduler: accept a result and release children. */
  result: 'result',
  /** Scheduler: children that became ready. */
  release: 'release',
  /** Registry: relay work to an SDK agent. */
  relay: 'relay',
  /** Scheduler: slots of a capability were added or taken away. */
  resizePool: 'resize pool',
} as const;

export type SpanName = (typeof spanNames)[keyof typeof spanNames] | `${string} ${string}` | `${string}/${string}`;

export const attributeNames = {
  serviceName: 'service.name',
  organisation: 'cogmesh.organisation',
  subject: 'cogmesh.subject',
  runId: 'cogmesh.run.id',
  taskId: 'cogmesh.task.id',
  taskIndex: 'cogmesh.task.index',
  taskState: 'cogmesh.task.state',
  attemptId: 'cogmesh.attempt.id',
  attempt: 'cogmesh.attempt',
  agentId: 'cogmesh.agent.id',
  capability: 'cogmesh.capability',
  queueWaitMs: 'cogmesh.queue_wait_ms',
  poolPlace: 'cogmesh.pool.place',
  poolSlots: 'cogmesh.pool.slots',
  poolReason: 'cogmesh.pool.reason',
  released: 'cogmesh.released',
  batchSize: 'cogmesh.batch.size',
  modelName: 'cogmesh.model.name',
  modelVersion: 'cogmesh.model.version',
  modelVariant: 'cogmesh.model.variant',
  engine: 'cogmesh.engine',
  decisionId: 'cogmesh.decision.id',
  decisionAllowed: 'cogmesh.decision.allowed',
  decisionCode: 'cogmesh.decision.code',
  decisionCached: 'cogmesh.decision.cached',
  policyEpoch: 'cogmesh.policy.epoch',
  resource: 'cogmesh.resource',
  action: 'cogmesh.action',
  errorCode: 'cogmesh.error.code',
  rpcMethod: 'rpc.method',
  rpcSystem: 'rpc.system',
  rpcStatus: 'rpc.grpc.status_code',
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
} as const;
