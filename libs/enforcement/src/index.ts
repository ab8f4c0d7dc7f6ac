export { requirePeer } from './peer-check.js';
export { AccessCheck, type AccessAnswer, type AccessCheckOptions, type AccessQuestion } from './access-check.js';
export { authorisation } from './authorisation.js';
export { createBehindSidecar, type BehindSidecarOptions } from './behind-sidecar.js';
export { policiesOfBundle, withoutRevoked, type BundlePolicies } from './bundle-policies.js';
export { FileBundleStore, type BundleStore, type StoredBundles } from './bundle-store.js';
export { applyChange, documentChange } from './bundle-delta.js';
export { formatConsistencyToken, parseConsistencyToken } from './consistency-token.js';
export { enforcementConfig, type EnforcementConfig } from './config.js';
export { canonicalTarget } from './canonical-target.js';
export { credentialKind } from './credentials.js';
export { accessReader, fromDecision, fromRevocation, type DecideRequestInit } from './decide-messages.js';
export { DecisionCache } from './decision-cache.js';
export { createEnforcer, type EnforcerOptions } from './enforcer.js';
export { isIdentityHeader } from './identity-headers.js';
export { grantQuestionsPerMessage } from './limits.js';
export { Judge, partiesOf, requestFor, type JudgedRequest, type Judgement } from './judge.js';
export { checkLogged, type LoggedCheck } from './log/check-logged.js';
export { decisionLogConfig } from './log/config.js';
export type { DecisionLog } from './log/decision-log.js';
export { maskedValue } from './log/mask.js';
export {
  openDecisionLog,
  openShippedLog,
  type OpenDecisionLogOptions,
  type OpenedDecisionLog,
  type OpenShippedLogOptions,
} from './log/open-decision-log.js';
export { loggedAnswer, recordAnswers, recordDecisions, type AnsweredQuestion } from './log/record-answers.js';
export type { LoggedDecision, LoggedQuestion } from './log/record.js';
export type { DecisionBatch, ShipDecisions } from './log/shipper.js';
export { anonymousMethods, isMethodPath, mutatingMethods } from './methods.js';
export { enforceable } from './obligations.js';
export { openEnforcement, type Enforcement, type OpenEnforcementOptions } from './open-enforcement.js';
export { OpenCalls, type OpenCallsOptions } from './open-calls.js';
export { openReplica, type OpenedReplica, type OpenReplicaOptions } from './open-replica.js';
export { PermitVerifier, type PermitVerifierOptions } from './permit-verifier.js';
export { PolicyReplica, type BundleAnswer, type BundleQuestion, type PolicyReplicaOptions } from './policy-replica.js';
export { localPolicySource, type ConsistencyPoint, type PolicySource } from './policy-source.js';
export { RevocationBook, revokedError, type Revocable, type Revocations } from './revocation-book.js';
export { serviceMayCall } from './service-access.js';
export {
  createProofCheck,
  createSidecarProof,
  sidecarProofHeader,
  sidecarSecretBytes,
  type ProvenCall,
} from './sidecar-proof.js';
export { createSidecarSecretFile, readSidecarSecret, type SidecarSecretSource } from './sidecar-secret.js';
export {
  createTaskGrantCheck,
  refusalOf,
  sharedQueueOf,
  type CheckTaskGrant,
  type RefusedAttempt,
  type PresentedAttempt,
  type TaskGrantAnswer,
  type TaskGrantCheckOptions,
  type TaskGrantQuestion,
} from './task-grants.js';
