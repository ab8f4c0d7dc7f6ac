/** The gRPC methods that enforcement treats specially, by full name. */

/** A permit is good for one of these once. Reading twice harms nobody; doing twice does. */
export const mutatingMethods: ReadonlySet<string> = new Set([
  '/cogmesh.scheduler.v1.SchedulerService/SubmitRun',
  '/cogmesh.scheduler.v1.SchedulerService/CancelRun',
  '/cogmesh.scheduler.v1.SchedulerService/RetryRun',
  '/cogmesh.scheduler.v1.SchedulerService/PauseRun',
  '/cogmesh.scheduler.v1.SchedulerService/ResumeRun',
  '/cogmesh.scheduler.v1.SchedulerService/SetPriority',
  '/cogmesh.scheduler.v1.SchedulerService/SignalTask',
  '/cogmesh.scheduler.v1.SchedulerService/PutScope',
  '/cogmesh.scheduler.v1.SchedulerService/PutSchedule',
  '/cogmesh.scheduler.v1.SchedulerService/DeleteSchedule',
  '/cogmesh.scheduler.v1.SchedulerService/TriggerSchedule',
  '/cogmesh.scheduler.v1.SchedulerService/BackfillSchedule',
  '/cogmesh.scheduler.v1.SchedulerService/PutWebhook',
  '/cogmesh.scheduler.v1.SchedulerService/DeleteWebhook',
  '/cogmesh.scheduler.v1.SchedulerService/ReplayDeadLetter',
  '/cogmesh.policy.v1.PolicyService/PutPolicies',
  '/cogmesh.policy.v1.RevocationService/Revoke',
  '/cogmesh.policy.v1.RevocationService/Lift',
  '/cogmesh.policy.v1.PolicyVersionService/Rollback',
  '/cogmesh.policy.v1.PolicyVersionService/PutCandidate',
  '/cogmesh.policy.v1.PolicyVersionService/DropCandidate',
  '/cogmesh.policy.v1.PolicyVersionService/PromoteCandidate',
  '/cogmesh.policy.v1.IssuerService/PutIssuer',
  '/cogmesh.policy.v1.IssuerService/SuspendIssuer',
  '/cogmesh.policy.v1.IssuerService/ResumeIssuer',
  '/cogmesh.policy.v1.IssuerService/DeleteIssuer',
  '/cogmesh.policy.v1.GrantService/CreateGrant',
  '/cogmesh.policy.v1.GrantService/DelegateGrant',
  '/cogmesh.policy.v1.GrantService/AcceptGrant',
  '/cogmesh.policy.v1.GrantService/RevokeGrant',
  '/cogmesh.inference.v1.InferenceService/Infer',
  '/cogmesh.inference.v1.InferenceService/InferStream',
]);

/** Served to anybody: liveness, and the agents' stream, whose first message carries its token. */
export const anonymousMethods: ReadonlySet<string> = new Set([
  '/grpc.health.v1.Health/Check',
  '/grpc.health.v1.Health/Watch',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/cogmesh.registry.v1.AgentService/Connect',
]);

const methodPath = /^\/[A-Za-z_][A-Za-z0-9_.]{0,199}\/[A-Za-z_][A-Za-z0-9_]{0,99}$/;

/**
 * Whether the path is exactly a gRPC method: one leading slash, no escapes, no dot segments. What is checked is then what is routed,
 * byte for byte.
 */
export function isMethodPath(path: string): boolean {
  return methodPath.test(path) && !path.includes('..') && !path.includes('./');
}
