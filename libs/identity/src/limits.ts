/** Limits of tokens and caches. They bound what a stranger can make this process parse, sign or remember. */

/** Clock difference tolerated between two machines, seconds. */
export const clockSkewSeconds = 30;

/** Largest outside token that is looked at, characters. */
export const outsideTokenMaxChars = 8_192;

/** Largest permit, characters; it must fit into the 64 KiB of headers that HTTP/2 peers accept. */
export const permitMaxChars = 48 * 1024;

/** Life of a permit, seconds. */
export const permitTtlSeconds = 60;

/** Life of a service token, seconds. */
export const serviceTokenTtlSeconds = 60;

/** A cached service token is replaced when it has less than this left, seconds. */
export const serviceTokenRenewSeconds = 10;

/** Longest life of a task grant, seconds. */
export const taskGrantMaxTtlSeconds = 24 * 3_600;

/** Attempts in one task grant; a work message carries no more. */
export const taskGrantMaxAttempts = 100;

/** Verified tokens remembered per verifier. */
export const verifiedTokensMax = 10_000;

/** Most roles a subject keeps. */
export const subjectRolesMax = 64;

/** Largest attributes object of a subject, characters of JSON. */
export const subjectAttributesMaxChars = 8_192;

/** Longest `sub` and role name, characters. */
export const subjectNameMaxChars = 256;

/** Largest key set of an issuer, characters of JSON. */
export const issuerKeysMaxChars = 64 * 1024;

/** Keys of an issuer that are kept, and keys that left its set and still verify what they signed before. */
export const issuerKeysMax = 64;
export const retiredKeysMax = 16;

/** Longest URI of a key set, characters. */
export const jwksUriMaxChars = 2_048;

/** Longest accepted life of a partner grant, from its beginning: 90 days, milliseconds. */
export const partnerGrantMaxTtlMs = 90 * 86_400_000;

/** Longest life of a token that was exchanged, milliseconds, and actors that it names at most. */
export const exchangeTtlMs = 300_000;
export const exchangeActorsMax = 4;

/** Largest DPoP proof that is looked at, characters. */
export const dpopProofMaxChars = 4_096;

/** Oldest accepted DPoP proof, seconds since its `iat`. */
export const dpopProofMaxAgeSeconds = 60;

/** DPoP proofs remembered against replay; when they are that many, more are refused. */
export const dpopProofsMax = 100_000;
