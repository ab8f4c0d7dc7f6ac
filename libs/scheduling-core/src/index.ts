export { blobIdOf, blobIdsIn, isJsonObject, jsonTypeOf, type Json, type JsonObject } from './json.js';
export {
  defaultRunLimits,
  defaultTaskDefaults,
  type RetryPolicy,
  type RunLimits,
  type TaskDefaults,
} from './limits.js';
export {
  type ApprovalRule,
  type FailurePolicy,
  type ItemFailurePolicy,
  type NeededAccess,
  type RunPlan,
  type TaskPlan,
} from './run-plan.js';
export { accessNeededBy, parseRun, readRunInput, type ParseRunOptions } from './parse/parse-run.js';
export { formatUses, isUsesProblem, parseUses, resourceOfUses, waitsInScheduler, type Uses } from './uses.js';
export { suggestion } from './suggest.js';
export { type Scope } from './expressions/expression.js';
export { type ScopeKind } from './expressions/environment.js';
export { type TaskReference } from './expressions/names.js';
export { evaluateTemplate, referencesIn, type EvaluateOptions } from './expressions/evaluate-template.js';
export {
  isHeld,
  isTerminalRun,
  isTerminalTask,
  runTable,
  runTransition,
  taskTable,
  transition,
  type RunEvent,
  type RunState,
  type TaskEvent,
  type TaskState,
} from './states.js';
export { knownPart, type KnownPart } from './expressions/known-part.js';
export { afterError, backoffMs, type AfterError, type FailedAttempt } from './retry.js';
export {
  afterItems,
  dependenciesOf,
  descendantsOf,
  initialState,
  itemsToRelease,
  planAdoption,
  planExpansion,
  planFailure,
  planLostItems,
  planSkips,
  releaseChildren,
  type AfterItems,
  type BlockedChild,
  type Dependency,
  type Expansion,
  type FailurePlan,
  type ItemCounters,
  type OpenTask,
} from './plan.js';
export { compareReady, defaultAgeingMs, defaultShare, FairOrder, type ReadyTask } from './fair-order.js';
export {
  capabilityName,
  scopeKey,
  scopeNameOf,
  scopesOf,
  type LimitedKind,
  type Scoped,
  type ScopeName,
} from './scope-keys.js';
export { noRule, ScopeBook, type Obstacle } from './scope-book.js';
export { Throughput } from './throughput.js';
export { bindSchedule, type ScheduleTime } from './schedules/bind-schedule.js';
export { cronTimes, type CronTimes } from './schedules/cron-times.js';
export {
  defaultMisfireGraceMs,
  nextStep,
  type Misfire,
  type Overlap,
  type ScheduleState,
  type Step,
} from './schedules/next-step.js';
export { webhookDelayMs } from './webhook-delay.js';
export type { AgentPool, Place, PoolSlots } from './pool/agent-pool.js';
export { PoolPolicy, type PoolDecision, type PoolObservation } from './pool/pool-policy.js';
export { deal, type AgentSlots } from './pool/same-host.js';
export { defaultPoolSettings, type PoolSettings } from './pool/settings.js';
export {
  attemptIdOf,
  defaultShards,
  maxShards,
  shardOf,
  shardOfAttempt,
  shardsOf,
  stableHash,
  type Sharding,
} from './shards.js';
export {
  readyEntry,
  taskKey,
  type ApprovalRecord,
  type ApprovalSignal,
  type Failure,
  type HistoryEntry,
  type HistoryType,
  type NewHistoryEntry,
  type ReadyColumns,
  type ReadyEntry,
  type RunMove,
  type RunRow,
  type StoredHistoryEntry,
  type TaskRef,
  type TaskRow,
} from './engine/rows.js';
export {
  newRun,
  rankOf,
  type Birth,
  type HeldAttempt,
  type LoadedRun,
  type NewRun,
  type Submission,
} from './engine/new-run.js';
export type {
  Clock,
  EngineStore,
  Flush,
  Flushed,
  LaneName,
  LanePage,
  OrderPlace,
  Ownership,
  Snapshot,
  Unsettled,
} from './engine/ports.js';
export { breather } from './engine/breath.js';
export { affinityText, needOf, parseNeed } from './engine/need.js';
export {
  defaultHeadSize,
  expiryGraceMs,
  wholeSlices,
  type LimitStore,
  type Publication,
  type Publisher,
  type ScopeLimits,
  type Slices,
  type StoredScope,
  type Targets,
} from './engine/dispatch-ports.js';
export { type Effects } from './engine/effects.js';
export { Engine } from './engine/engine.js';
export { type Payloads } from './engine/payloads.js';
export { type AttemptClock, type Credits, type Target } from './engine/credits.js';
export { type Limits } from './engine/limits.js';
export { type QueuedTasks } from './engine/queued-tasks.js';
export { type ReadyHeads } from './engine/ready-heads.js';
export {
  blockedBy,
  factsInMemory,
  waitingOf,
  type KnownAgents,
  type TaskView,
  type Waiting,
  type WaitingFacts,
  type WaitingMemory,
} from './engine/waiting.js';
export {
  type Accepted,
  type AcceptedResults,
  type Intake,
  type ReportedOutcome,
  type ResultReport,
  type StartedReport,
  type Told,
} from './engine/intake.js';
export { ProgressWords, type ProgressReport } from './engine/progress.js';
export { takeBack } from './engine/take-back.js';
export { cancelRun } from './engine/cancel-run.js';
export { answerApproval, type Answer } from './engine/approvals.js';
export { pauseRun, resumeRun, setPriority, type PriorityChange } from './engine/steer-run.js';
export { renewLeases } from './engine/leases.js';
export { sweepKinds, type Suspicion, type SweepKind } from './engine/sweep.js';
export { defaultSweepMs, type OnMended, type Sweeper } from './engine/sweeper.js';
export {
  assembleScheduling,
  type Scheduling,
  type SchedulingOptions,
  type SchedulingSettings,
} from './engine/scheduling.js';
export { type Dispatcher } from './engine/dispatcher.js';
