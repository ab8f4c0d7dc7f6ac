/** Limits of the policy service's RPCs; the field comments of policy.proto repeat them for callers. */

/** Requests in one DecideMany. */
export const decideManyMax = 1_000;

/** UTF-8 bytes of a policy set's JSON. */
export const policySetMaxBytes = 1024 * 1024;

/** Characters of a subject's attributes and of a request's context, as JSON. */
export const attributesMaxChars = 8 * 1024;
export const contextMaxChars = 16 * 1024;

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
