/** What the gateway tells of the decision log. */

export interface AuditEntryView {
  /** Place in the chain of the organisation, from 1 without gaps. */
  readonly position: number;
  /** SHA-256 over the entry, its place and the hash before it. */
  readonly hash: string;
  /** The same in the chains of both organisations of a call. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** Where it was decided: `gateway`, or the service that is guarded. */
  readonly point: string;
  readonly subject: {
    readonly issuer: string;
    readonly sub: string;
    readonly organisation: string;
    readonly roles: readonly string[];
    /** Values that may not be logged are `***`. */
    readonly attributes: Readonly<Record<string, unknown>>;
  };
  readonly action: string;
  readonly resource: string;
  readonly owner: string;
  readonly context: Readonly<Record<string, unknown>>;
  readonly allowed: boolean;
  readonly code: string;
  readonly reason: string;
  readonly rules: readonly string[];
  readonly epoch: number;
  readonly grant: string | null;
  readonly decisionId: string;
  readonly cached: boolean;
  /** Equal decisions it stands for. */
  readonly count: number;
}

export interface AuditPageView {
  readonly entries: readonly AuditEntryView[];
  /** Null at the end; a page may hold fewer entries than asked for, even none, with more to come. */
  readonly nextCursor: string | null;
}

export interface AuditFilter {
  /** 1 to 500; 50 when absent. */
  readonly limit?: number;
  readonly cursor?: string;
  /** In the order of the chain instead of newest first. */
  readonly oldestFirst?: boolean;
  /** Decided at or after, and before. */
  readonly after?: Date;
  readonly before?: Date;
  readonly sub?: string;
  readonly action?: string;
  /** A path, or what is below it when it ends with `/`. */
  readonly resource?: string;
  /** Only refusals. */
  readonly denied?: boolean;
  /** Only across organisations. */
  readonly cross?: boolean;
}

/** A place in the chain and its hash, kept to prove later that nothing before it was changed. */
export interface AuditAnchor {
  readonly position: number;
  /** 64 hexadecimal digits. */
  readonly hash: string;
}

export interface AuditVerificationView extends AuditAnchor {
  /** Entries whose hash was computed anew and is right. */
  readonly verified: number;
  /** Oldest position that is kept. */
  readonly firstPosition: number;
  /** The first place that is wrong. */
  readonly problem: { readonly position: number; readonly problem: string } | null;
}
