/** Limits of the policy service's RPCs; the field comments of policy.proto repeat them for callers. */

/** Requests in one DecideMany. */
export const decideManyMax = 1_000;

/** UTF-8 bytes of a policy set's JSON. */
export const policySetMaxBytes = 1024 * 1024;

/** Nonce of GetBundle, characters. */
export const nonceMinChars = 16;
export const nonceMaxChars = 64;

/** Bundles in one answer, characters of JWS; the caller asks again for the rest. At least one is always sent. */
export const bundlesMaxChars = 4 * 1024 * 1024;

/** A file of the bootstrap folder, bytes. */
export const bootstrapFileMaxBytes = 4 * 1024 * 1024;

/** A registered issuer: characters of its `iss`, the longest token life, how many roles and attributes it may set. */
export const issuerMaxChars = 512;
export const issuerMaxTtlSeconds = 86_400;
export const issuerRolesMax = 200;
export const issuerAttributesMax = 64;

/** A partner grant: names in each of its lists, characters of its purpose and of a reason. */
export const grantNamesMax = 64;
export const grantTextMaxChars = 500;

/** Ids that whoever searches may bring along, and results in one page. */
export const searchCandidatesMax = 10_000;
export const searchPageMax = 1_000;

/** Grants of one organisation that are on offer or in force; a bundle carries at most policy-core's limit of them. */
export const grantsPerGrantorMax = 500;

/** Grants in one list. */
export const grantsListedMax = 1_000;

/** Longest a question of an enforcement point is kept, milliseconds. */
export const bundleWaitMaxMs = 10_000;

/** Refusals that one question may report. */
export const refusedUpdatesMax = 32;

/** Epochs before the current one from which a change can be told, per organisation. */
export const earlierEpochsMax = 4;

/** What a revocation may name, and say, characters. */
export const revocationIssuerMaxChars = 512;
export const revocationValueMaxChars = 256;
export const revocationReasonMaxChars = 256;

/** Revocations that one organisation may have. */
export const revocationsPerOrganisationMax = 10_000;

/** Changes in one answer to an enforcement point; it asks again for the rest. */
export const revocationsPerAnswerMax = 10_000;

/** Revocations in one page. */
export const revocationPageDefault = 100;
export const revocationPageMax = 1_000;

/** How long it is remembered that a revocation was lifted, milliseconds; who did not hear of it by then goes on refusing. */
export const liftedKeptMs = 7 * 86_400_000;

/** Answers kept of the registry, and of each organisation's information source. */
export const informationEntriesMax = 10_000;

/** Questions under way to each of them. */
export const informationCallsMax = 16;
