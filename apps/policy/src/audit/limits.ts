/** Limits of the decision log at the policy service; audit.proto repeats those that callers meet. */

/** Records in one Append. */
export const appendRecordsMax = 1_000;

/** Decisions in one record, roles or rules in one of them, and characters of any text but JSON. */
export const recordDecisionsMax = 1_000;
export const listMax = 256;
export const textMaxChars = 4_096;

/** Entries stored in one row, and bytes of it. */
export const blockEntriesMax = 500;
export const blockBytesMax = 512 * 1024;

/** Entries one Query answers, when it does not say. */
export const queryLimitDefault = 100;
export const queryLimitMax = 500;

/** Rows one Query looks through before it answers with what it has. */
export const queryBlocksMax = 200;

/** Rows one Verify computes anew. */
export const verifyBlocksMax = 100;

/** Rows read from the database at once. */
export const blocksAtOnce = 20;

/** Rows one step of retention removes. */
export const retentionBlocksMax = 1_000;
