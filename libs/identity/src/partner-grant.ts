/** Signing a partner grant with the granting organisation's key. Verifying is in inside-verifier.ts. */
import { importJWK, SignJWT, type JWTPayload } from 'jose';
import { keyFiles, readJwk } from './key-files.js';
import { newTokenId } from './service-identity.js';
import { tokenKinds } from './token-kinds.js';

export interface PartnerGrantRequest {
  readonly grantor: string;
  readonly grantee: string;
  readonly actions: readonly string[];
  /** Canonical globs by segment, `/models/acme/*`. */
  readonly resources: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  readonly purpose?: string;
  /** Milliseconds since 1970; void before then. */
  readonly notBeforeMs?: number;
  /** Default: a new ULID. */
  readonly id?: string;
  /** Milliseconds since 1970. Default: now. */
  readonly issuedAtMs?: number;
  /** Ceilings; absent: any. */
  readonly roles?: readonly string[];
  readonly attributes?: readonly string[];
  /** How often it may be passed on: 0 (default) or 1. */
  readonly delegations?: number;
  /** The grant it is passed on from, and by which organisation. */
  readonly parentId?: string;
  readonly delegatedBy?: string;
}

/** A compact JWS, typ cogmesh-partner-grant+jwt, signed with `organisations/<grantor>.jwk` of the keys directory. */
export async function signPartnerGrant(keysDir: string, request: PartnerGrantRequest): Promise<string> {
  const jwk = await readJwk(keyFiles.organisation(keysDir, request.grantor));
  const { grantor, grantee, actions, resources, roles, attributes, delegations, parentId, delegatedBy } = request;
  const claims = {
    iss: `org:${grantor}`,
    jti: request.id ?? newTokenId(),
    iat: Math.floor((request.issuedAtMs ?? Date.now()) / 1000),
    exp: Math.floor(request.expiresAtMs / 1000),
    ...(request.notBeforeMs === undefined ? {} : { nbf: Math.floor(request.notBeforeMs / 1000) }),
    ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
  };
  const ceilings = { roles, attributes, delegations, parent: parentId, delegated_by: delegatedBy };
  return new SignJWT(
    JSON.parse(JSON.stringify({ ...claims, ...ceilings, grantor, grantee, actions, resources })) as JWTPayload,
  )
    .setProtectedHeader({
      alg: 'EdDSA',
      typ: tokenKinds.partnerGrant.typ,
      ...(jwk.kid === undefined ? {} : { kid: jwk.kid }),
    })
    .sign(await importJWK(jwk, 'EdDSA'));
}
