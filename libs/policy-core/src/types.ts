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
  /** What the enforcement point must do besides, whenever this rule is among those that decided. */
  readonly obligations?: readonly Obligation[];
}

/** An enforcement point that does not know an obligation of an allowed request must refuse it. */
export interface Obligation {
  readonly id: string;
  /** What kind it is, when the id does not say. */
  readonly type?: string;
  /** JSON values only. */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Gives a role to subjects of the set's own organisation, beside the roles of their tokens. */
export interface RoleBinding {
  /** Unique among the bindings of the set. */
  readonly id: string;
  /** One of the set's `roles`. */
  readonly role: string;
  readonly subjects: readonly BoundSubject[];
  /** CEL without `role` and `roles`. When it fails the role is not given, and deny rules that read roles deny. */
  readonly when?: string;
}

export interface BoundSubject {
  /** Exact `iss`; any issuer of the organisation when absent. */
  readonly issuer?: string;
  readonly sub: string;
}

/** Organisations that the set's own stands in a relation to; each in one list at most. Visible as `topology`. */
export interface Topology {
  readonly parents: readonly string[];
  readonly members: readonly string[];
  readonly partners: readonly string[];
}

/** What the set says about one resource. Visible as `resource.attributes` to the rules of this set alone. */
export interface Entity {
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What a declared attribute must be in an answer; anything else counts as missing. */
export type AttributeType = 'string' | 'number' | 'boolean' | 'list' | 'map';

/** Where an organisation knows more about its own resources, asked when a candidate rule reads one of `attributes`. */
export interface InformationSource {
  readonly url: string;
  readonly attributes: Readonly<Record<string, AttributeType>>;
  /** From the question to the last byte of the answer, milliseconds. */
  readonly timeoutMs?: number;
  /** How long an answer counts, milliseconds. */
  readonly ttlMs?: number;
}

export interface PolicySet {
  /** Absent in the bare-array form. */
  readonly organisation?: string;
  readonly policies: readonly PolicyDocument[];
  readonly roles: Readonly<Record<string, { readonly inherits: readonly string[] }>>;
  /** Partner grants as compact JWS, not verified here. */
  readonly grants: readonly string[];
  readonly bindings?: readonly RoleBinding[];
  readonly topology?: Topology;
  /** By `<type>:<id>`. */
  readonly entities?: Readonly<Record<string, Entity>>;
  readonly information?: InformationSource;
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
  /** Ceiling: the subject must hold one of these, and the owner must allow it also with no other role. Absent: any. */
  readonly roles?: readonly string[];
  /** Ceiling: the owner must allow it also when it sees no other attribute of the subject. Absent: any. */
  readonly attributes?: readonly string[];
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
  /**
   * What is known about the resource now (state, load), JSON values only. From a source that the owner trusts, never from
   * the caller; where a set's own entity has an attribute of the same name, that one stands. `DecisionEngine.needs` says
   * whether they would be read at all.
   */
  readonly resourceAttributes?: Readonly<Record<string, unknown>>;
  /**
   * What the registry, or the owner's own source, says of the resource now. Only the owner's rules see it, and it stands
   * against `resourceAttributes` of the same name.
   */
  readonly informed?: Readonly<Record<string, unknown>>;
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
  | 'stale_policy'
  /** From an enforcement point that does not know what it would have to do. */
  | 'unknown_obligation'
  /** Refused while something that a rule reads could not be had. */
  | 'attribute_unavailable';

/** Which members of the request's maps may have had a say; `*` means the whole map. Sorted, each name once. */
export interface Reads {
  readonly attributes: readonly string[];
  readonly context: readonly string[];
  readonly resourceAttributes: readonly string[];
}

/** Attributes of a resource that the owner's candidate rules read and that somebody has to be asked for. */
export interface InformationNeed {
  readonly owner: string;
  readonly resource: Resource;
  /** Names that the registry knows, sorted. */
  readonly ofRegistry: readonly string[];
  /** Names that the owner's source knows, sorted. */
  readonly ofSource: readonly string[];
  readonly source: InformationSource | undefined;
}

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
  /** Same subject, action, resource and epochs, same answer at any time: no context, no resource attributes, no grant. */
  readonly cacheable: boolean;
  /** What the deciding rules, the owner's before the caller's, ask of the enforcement point. */
  readonly obligations: readonly Obligation[];
  /**
   * With the same epochs a request that differs in nothing but `nowMs` and members not named here is answered the same,
   * until `validUntilMs`. Part of what `DecisionEngine.needs` answers for the request.
   */
  readonly reads: Reads;
  /** Milliseconds since the epoch from which time alone may change the answer; absent when it cannot. */
  readonly validUntilMs?: number;
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
