/** Verified claims -> who the subject is here, by the issuer's record alone: its organisation, its roles, its attributes. */
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { JWTPayload } from 'jose';
import type { IssuerRecord } from './issuer-record.js';
import { subjectAttributesMaxChars, subjectNameMaxChars, subjectRolesMax } from './limits.js';

/** Throws `invalid_token` for claims of another shape. */
export function subjectOf(payload: JWTPayload, record: IssuerRecord): OutsideSubject {
  const subject = record.claimMap?.subject ?? 'sub';
  return {
    issuer: record.issuer,
    sub: plainText(claimAt(payload, subject), subject),
    organisation: record.organisation,
    roles: rolesOf(payload, record),
    tokenId: payload.jti === undefined ? '' : plainText(payload.jti, 'jti'),
    attributes: attributesOf(payload, record),
  };
}

/** RFC 6901 when the name begins with "/". Only what the claims hold themselves is found. */
function claimAt(payload: JWTPayload, name: string): unknown {
  const parts = name.startsWith('/')
    ? name
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [name];
  let found: unknown = payload;
  for (const part of parts) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[part];
  }
  return found;
}

export function plainText(value: unknown, claim: string): string {
  const isPlain = typeof value === 'string' && value !== '' && value.length <= subjectNameMaxChars;
  if (isPlain && !/[\u0000-\u001f\u007f]/.test(value)) return value;
  throw new CogmeshError('invalid_token', `the token has an unacceptable "${claim}"`, { claim });
}

function rolesOf(payload: JWTPayload, { claimMap, allowedRoles }: IssuerRecord): readonly string[] {
  const name = claimMap?.roles ?? 'roles';
  const value = claimAt(payload, name);
  if (value === undefined) return [];
  const names = claimMap?.roles !== undefined && typeof value === 'string' ? value.split(' ').filter(Boolean) : value;
  if (!Array.isArray(names))
    throw new CogmeshError('invalid_token', `the claim "${name}" is not a list`, { claim: name });
  const { roleNames = {} } = claimMap ?? {};
  const claimed = new Set(
    names.map((role) => plainText(role, name)).map((role) => (Object.hasOwn(roleNames, role) ? roleNames[role] : role)),
  );
  return allowedRoles.filter((role) => claimed.has(role)).slice(0, subjectRolesMax);
}

function attributesOf(
  payload: JWTPayload,
  { allowedAttributes, claimMap }: IssuerRecord,
): Readonly<Record<string, unknown>> {
  const { attributes: claims = {} } = claimMap ?? {};
  const entries = allowedAttributes
    .map((name) => [name, claimAt(payload, (Object.hasOwn(claims, name) ? claims[name] : undefined) ?? name)] as const)
    .filter(([, value]) => value !== undefined);
  const attributes = Object.fromEntries(entries);
  if (JSON.stringify(attributes).length <= subjectAttributesMaxChars) return attributes;
  throw new CogmeshError('invalid_token', `the token's attributes are over ${subjectAttributesMaxChars} characters`);
}
