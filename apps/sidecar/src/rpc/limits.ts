/** Bounds of the sidecar's own service. */

/** How long one stream of grant checks lives, milliseconds; then the service opens another, with a fresh token. */
export const grantStreamMs = 300_000;

/** Messages of one stream that are checked at once; beyond, reading waits. */
export const grantMessagesInWork = 64;
