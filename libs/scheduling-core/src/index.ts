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
export { capabilityName, scopeKey, scopesOf, type LimitedKind, type Scoped, type ScopeName } from './scope-keys.js';
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
