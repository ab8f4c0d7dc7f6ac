export { AccessCheck, type AccessAnswer, type AccessCheckOptions, type AccessQuestion } from './access-check.js';
export { authorisation } from './authorisation.js';
export { createBehindSidecar, type BehindSidecarOptions } from './behind-sidecar.js';
export { policiesOfBundle, type BundlePolicies } from './bundle-policies.js';
export { FileBundleStore, type BundleStore, type StoredBundles } from './bundle-store.js';
export { enforcementConfig, type EnforcementConfig } from './config.js';
export { createEnforcer, type EnforcerOptions } from './enforcer.js';
export { grantQuestionsPerMessage } from './limits.js';
export { anonymousMethods, isMethodPath, mutatingMethods } from './methods.js';
export { openEnforcement, type Enforcement, type OpenEnforcementOptions } from './open-enforcement.js';
export { openReplica, type OpenedReplica, type OpenReplicaOptions } from './open-replica.js';
export { PermitVerifier, type PermitVerifierOptions } from './permit-verifier.js';
export { PolicyReplica, type BundleAnswer, type BundleQuestion, type PolicyReplicaOptions } from './policy-replica.js';
export { localPolicySource, type PolicySource } from './policy-source.js';
export { serviceMayCall } from './service-access.js';
export { createSidecarProof, sidecarProofHeader, verifySidecarProof, type ProvenCall } from './sidecar-proof.js';
export { createSidecarSecretFile, readSidecarSecret, type SidecarSecretSource } from './sidecar-secret.js';
export {
  createTaskGrantCheck,
  sharedQueueOf,
  type CheckTaskGrant,
  type PresentedAttempt,
  type TaskGrantAnswer,
  type TaskGrantCheckOptions,
  type TaskGrantQuestion,
} from './task-grants.js';
