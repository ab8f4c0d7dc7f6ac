/** Bounds of what an enforcement point remembers and waits for. Configurable ones are in config.ts. */

/** Longest life of a cached decision, milliseconds; a permit's own expiry may end it sooner. */
export const decisionTtlMaxMs = 30_000;

/** Permit ids of changing calls remembered until they expire; beyond, such calls are refused as overloaded. */
export const usedPermitsMax = 200_000;

/** Age at which a sidecar's proof is no longer accepted, milliseconds; the same machine's clock on both sides. */
export const sidecarProofMaxAgeMs = 30_000;

/** Rights in one permit; as many as a permit's size lets it name. */
export const permitAccessMax = 1_000;

/** Longest a poll of the policy service may take, milliseconds. */
export const pollTimeoutMs = 2_000;

/** Largest bundle answer, bytes: many organisations may change at once. */
export const bundleAnswerMaxBytes = 64 * 1024 * 1024;

/** Questions about task grants in one message to the sidecar; both sides hold to it. */
export const grantQuestionsPerMessage = 256;

/** Bytes of such a message, about; below what a service accepts in one. */
export const grantMessageBytes = 1024 * 1024;

/** Longest a service waits for the answer about one grant, milliseconds. */
export const grantDeadlineMs = 10_000;

/** Questions about grants that may be unanswered at once; beyond, they are refused as overloaded. */
export const grantQuestionsMax = 10_000;
