export { certificateNames, ensureCertificates, type CertificateOptions } from './certificates.js';
export { keyFiles } from './key-files.js';
export type {
  BundleClaims,
  GrantedAttempt,
  Submitter,
  HeartbeatClaims,
  PartnerGrantClaims,
  PermitClaims,
  ServiceClaims,
  TaskGrantClaims,
} from './claims.js';
export { namesOfToken, typeOfToken } from './compact-jws.js';
export {
  assertDevelopmentAllowed,
  developmentAudience,
  developmentIssuerRecord,
  developmentMaxTtlSeconds,
  mintDevelopmentToken,
  type DevelopmentIssuerOptions,
  type DevelopmentTokenRequest,
} from './development-issuer.js';
export {
  addIssuerKey,
  addOrganisationKey,
  developmentIssuerUrl,
  exchangeAudience,
  initialiseKeys,
  reservedIssuers,
  serviceNames,
  type InitialiseKeysOptions,
  type IssuerKeyOptions,
} from './initialise-keys.js';
export {
  revocationKinds,
  type BundleDeltaClaims,
  type ListPiece,
  type RevocationChange,
  type RevocationKind,
  type RevocationListClaims,
} from './distribution-claims.js';
export { InsideTokenVerifier, loadVerifier, type InsideVerifierOptions } from './inside-verifier.js';
export { dpopAlgorithms, type Presentation } from './dpop.js';
export { identityConfig, keyFetching } from './config.js';
export { issuerOfMessage, messageOfIssuer } from './issuer-messages.js';
export { compileIssuer, type ClaimMap, type CompiledIssuer, type IssuerRecord } from './issuer-record.js';
export type { ExchangedClaims } from './exchange-token.js';
export {
  clockSkewSeconds,
  exchangeActorsMax,
  exchangeTtlMs,
  partnerGrantMaxTtlMs,
  permitTtlSeconds,
} from './limits.js';
export {
  OutsideTokenVerifier,
  type OutsideTokenVerifierOptions,
  type VerifiedSubject,
} from './outside-token-verifier.js';
export { signPartnerGrant, type PartnerGrantRequest } from './partner-grant.js';
export {
  loadServiceIdentity,
  newTokenId,
  ServiceIdentity,
  type PermitRequest,
  type TaskGrantRequest,
} from './service-identity.js';
export { tokenKinds } from './token-kinds.js';
export { parseStrictJson } from './strict-json.js';
export { Trust } from './trust.js';
