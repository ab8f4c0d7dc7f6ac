/** Bounds of the decision log at an enforcement point. Configurable ones are in config.ts. */

/** Records in one message to the policy service; its own limit. */
export const batchRecordsMax = 1_000;

/** Bytes of records in one message; with what gRPC adds it stays below the 4 MiB that a server takes. */
export const batchBytesMax = 2 * 1024 * 1024;

/** Decisions in one record; a longer list becomes several records. */
export const recordDecisionsMax = 200;

/** Part of the spool that allowed reads may fill; the rest is for what must be kept. */
export const plainShare = 0.8;

/** Files of the spool; a finished one is removed when all of it was accepted. */
export const segmentShare = 1 / 16;

/** Longest a message to the policy service may take, milliseconds. */
export const shipTimeoutMs = 10_000;

/** Between two attempts to ship while the policy service is away, milliseconds. */
export const shipBackoffMinMs = 100;
export const shipBackoffMaxMs = 5_000;

/** How long a stopping service tries to ship what it has, milliseconds; the next start ships the rest. */
export const lastShipMs = 1_000;

/** Characters of a reason, and of any other text of an entry; longer ones are cut. */
export const textMaxChars = 512;

/** Rules of one entry; there are more only where many rules of one set agree. */
export const rulesMax = 32;

/** Names in a masked object, depth of it, and characters it may have as JSON. */
export const maskedNamesMax = 64;
export const maskedDepthMax = 4;
export const maskedMaxChars = 4_096;
