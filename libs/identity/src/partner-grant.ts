/** Signing a partner grant with the granting organisation's key. Verifying is in inside-verifier.ts. */
import { importJWK, SignJWT } from 'jose';
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
}

/** A compact JWS, typ cogmesh-partner-grant+jwt, signed with `organisations/<grantor>.jwk` of the keys directory. */
export async function signPartnerGrant(keysDir: string, request: PartnerGrantRequest): Promise<string> {
  const jwk = await readJwk(keyFiles.organisation(keysDir, request.grantor));
  const { grantor, grantee, actions, resources } = request;
  const claims = {
    iss: `org:${grantor}`,
    jti: request.id ?? newTokenId(),
    iat: Math.floor((request.issuedAtMs ?? Date.now()) / 1000),
    exp: Math.floor(request.expiresAtMs / 1000),
    ...(request.notBeforeMs === undefined ? {} : { nbf: Math.floor(request.notBeforeMs / 1000) }),
    ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
  };
  return new SignJWT({ ...claims, grantor, grantee, actions, resources })
    .setProtectedHeader({
      alg: 'EdDSA',
      typ: tokenKinds.partnerGrant.typ,
      ...(jwk.kid === undefined ? {} : { kid: jwk.kid }),
    })
    .sign(await importJWK(jwk, 'EdDSA'));
}
