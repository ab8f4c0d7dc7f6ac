/** An entry of the decision log, as it is chained and as it is read: every field of audit.proto, in the words of this service. */

export interface AuditedSubject {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  /** JSON object, masked. */
  readonly attributesJson: string;
}

/** One decision, or several equal ones. */
export interface Entry {
  /** `<spool id>.<sequence>.<index>`. */
  readonly id: string;
  readonly atMs: number;
  readonly point: string;
  readonly subject: AuditedSubject;
  readonly action: string;
  readonly resource: string;
  readonly owner: string;
  /** JSON object, masked. */
  readonly contextJson: string;
  readonly allowed: boolean;
  readonly code: string;
  readonly reason: string;
  readonly rules: readonly string[];
  readonly epoch: number;
  readonly grantId: string;
  readonly decisionId: string;
  readonly cached: boolean;
  readonly count: number;
}

/** An entry in its place in a chain. */
export interface ChainedEntry {
  readonly organisation: string;
  /** From 1 without gaps. */
  readonly position: number;
  readonly entry: Entry;
  /** SHA-256, lower-case hexadecimal. */
  readonly hash: string;
}
