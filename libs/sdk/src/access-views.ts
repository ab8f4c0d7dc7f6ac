/** Words of the OpenID AuthZEN Authorization API 1.0, with the member names that it has on the wire. */

type Properties = Readonly<Record<string, unknown>>;

export interface AccessEntity {
  readonly type: string;
  readonly id: string;
  /** Counts only from enforcement points, and only under names that are allowed for them. */
  readonly properties?: Properties;
}

export interface AccessAction {
  readonly name: string;
  readonly properties?: Properties;
}

export interface AccessQuestion {
  readonly subject: AccessEntity;
  readonly action: AccessAction;
  readonly resource: AccessEntity;
  readonly context?: Properties;
}

export type EvaluationsSemantic = 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit';

export interface AccessObligation {
  readonly id: string;
  readonly type?: string;
  readonly properties?: Properties;
}

export interface AccessDecision {
  readonly decision: boolean;
  readonly context?: {
    /** Of the decision, as in traces and the decision log. */
    readonly id?: string;
    /** Why it was refused, for programs. */
    readonly code?: string;
    /** For administrators, by language; not for the subject. */
    readonly reason_admin?: Readonly<Record<string, string>>;
    /** What must be done besides; whoever does not know one must refuse. */
    readonly obligations?: readonly AccessObligation[];
    /** What was wrong with this question of several. */
    readonly error?: { readonly status: number; readonly message: string };
  };
}

/** What every search may have besides. */
export interface AccessSearch {
  readonly context?: Properties;
  /** Results asked for at once, at most 1,000; default 100. */
  readonly pageSize?: number;
}

/** The discovery document. */
export interface DecisionPoint {
  readonly policy_decision_point: string;
  readonly access_evaluation_endpoint: string;
  readonly access_evaluations_endpoint?: string;
  readonly search_subject_endpoint?: string;
  readonly search_resource_endpoint?: string;
  readonly search_action_endpoint?: string;
  readonly capabilities?: readonly string[];
}
