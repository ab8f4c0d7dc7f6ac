/**
 * The words of a decision. A request is what AuthZEN calls subject, action, resource, context; a policy set is one
 * organisation's document as parsePolicySet leaves it: validated, defaults filled in, plain JSON, so that it can be
 * stored, signed and parsed again to the same value.
 */

export type Effect = 'allow' | 'deny';

/** One rule. Its condition is CEL; without one the rule holds for everybody it may apply to. */
export interface PolicyDocument {
  /** Unique within the set; `policy-<position, from 1>` when the document did not name it. */
  readonly id: string;
  readonly description?: string;
  readonly policy?: string;
  /** Actions, or `*`. */
  readonly permissions: readonly string[];
  /** Globs over canonical paths: `/models/acme/*`. */
  readonly resources: readonly string[];
  readonly effect: Effect;
}

export interface PolicySet {
  /** Absent in the bare-array form. */
  readonly organisation?: string;
  readonly policies: readonly PolicyDocument[];
  readonly roles: Readonly<Record<string, { readonly inherits: readonly string[] }>>;
  /** Partner grants as compact JWS, not verified here. */
  readonly grants: readonly string[];
}

/** A partner grant after its signature was verified. */
export interface PartnerGrant {
  readonly id: string;
  /** Organisation that owns the resources and signed. */
  readonly grantor: string;
  readonly grantee: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Milliseconds since the epoch; the grant is void from then on. */
  readonly expiresAtMs: number;
  readonly notBeforeMs?: number;
  readonly purpose?: string;
}

export interface OrganisationPolicies {
  readonly organisation: string;
  readonly epoch: number;
  readonly document: PolicySet;
  /** The verified grants this organisation gave. */
  readonly grants: readonly PartnerGrant[];
}

export interface AccessSubject {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Resource {
  /** model, run, blob, agent, tool, policy, path. */
  readonly type: string;
  /** Id without the leading collection; empty means the collection itself. */
  readonly id: string;
}

export interface AccessRequest {
  readonly subject: AccessSubject;
  readonly action: string;
  readonly resource: Resource;
  /** Organisation that owns the resource; the subject's own when absent. For models and tools the id decides. */
  readonly owner?: string;
  /** JSON values only. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch, for the grants' expiry. */
  readonly nowMs: number;
}

/** Stable; the same words as DecideResponse.code. */
export type DecisionCode =
  | 'allowed'
  | 'no_matching_allow'
  | 'denied_by_rule'
  | 'deny_rule_failed'
  | 'no_grant'
  | 'grant_expired'
  | 'unknown_organisation'
  | 'invalid_request'
  | 'stale_policy';

export interface Decision {
  readonly allowed: boolean;
  readonly code: DecisionCode;
  /** One sentence for a person. */
  readonly reason: string;
  /** Ids of the rules that decided. */
  readonly rules: readonly string[];
  /** Epoch of the owner's policies, 0 when the owner is unknown. */
  readonly epoch: number;
  /** The partner grant the right rests on; absent inside one organisation. */
  readonly grantId?: string;
  /** Same request, same epochs, same answer at any time: no candidate rule reads `context`, no grant was consulted. */
  readonly cacheable: boolean;
}

/** What one candidate rule did in one decision. */
export interface RuleOutcome {
  /** Organisation whose rule it is. */
  readonly organisation: string;
  readonly ruleId: string;
  readonly effect: Effect;
  readonly outcome: 'matched' | 'skipped' | 'failed';
  /** Which part did not match, or the condition's error. */
  readonly detail: string;
  /** The CEL text; empty when the rule has none. */
  readonly condition: string;
}

export interface Explanation {
  readonly decision: Decision;
  /** Every candidate rule of the owner, then of the caller's organisation, in document order. */
  readonly rules: readonly RuleOutcome[];
}
