/** Issuers and partner grants, as the REST API shows them. */

export interface IssuerClaimMap {
  /** A claim by its name, or by a JSON pointer (`/realm_access/roles`). */
  readonly subject?: string;
  readonly roles?: string;
  readonly roleNames?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** An issuer to be registered; what is left out has the documented default. */
export interface IssuerDefinition {
  /** Exact `iss`. */
  readonly issuer: string;
  /** Default: your own. */
  readonly organisation?: string;
  /** Where its keys are; or `jwks`. */
  readonly jwksUri?: string;
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  readonly algorithms?: readonly string[];
  readonly audience?: string;
  readonly allowedRoles?: readonly string[];
  readonly allowedAttributes?: readonly string[];
  readonly maxTtlSeconds?: number;
  readonly suspended?: boolean;
  readonly tokenTypes?: readonly string[];
  readonly claimMap?: IssuerClaimMap;
  readonly profile?: 'at+jwt' | '';
  readonly dpopRequired?: boolean;
  readonly keyOverlapSeconds?: number;
}

export interface IssuerView extends IssuerDefinition {
  readonly organisation: string;
  readonly suspended: boolean;
}

/** What a grant is to say. */
export interface GrantTermsDefinition {
  readonly grantee: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Ceilings; absent: everything counts. */
  readonly roles?: readonly string[];
  readonly attributes?: readonly string[];
  readonly purpose: string;
  readonly notBefore?: Date;
  /** At most 90 days after the beginning. */
  readonly expiresAt: Date;
  /** How often it may be passed on, 0 or 1. */
  readonly delegations?: number;
}

export interface GrantView {
  readonly id: string;
  readonly grantor: string;
  readonly grantee: string;
  readonly state: 'offered' | 'accepted' | 'revoked';
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly roles: readonly string[] | null;
  readonly attributes: readonly string[] | null;
  readonly purpose: string;
  readonly notBefore: string | null;
  readonly expiresAt: string;
  readonly delegations: number;
  readonly parentId: string | null;
  readonly delegatedBy: string | null;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly acceptedBy: string | null;
  readonly acceptedAt: string | null;
  readonly revokedBy: string | null;
  readonly revokedAt: string | null;
  readonly revokeReason: string | null;
  /** Compact JWS by the grantor's key. */
  readonly jws: string;
}
