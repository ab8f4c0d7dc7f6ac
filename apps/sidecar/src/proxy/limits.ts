/** Bounds that HTTP/2 peers share; what an operator may choose is in config.ts. */

/** Header list that either side accepts at all, bytes: the default of Node and grpc-js. Beyond it a stream is reset. */
export const maxHeaderListBytes = 65_535;

/** Header fields of one call. */
export const maxHeaderFields = 128;

/** What HTTP/2 (RFC 9113, 6.5.2) counts for each field beside its name and value, bytes. */
export const headerFieldOverheadBytes = 32;
