/** Issuers as policy.proto carries them, to and from the registry's records. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { policyV1 } from '@cogmesh/contracts';
import type { ClaimMap, IssuerRecord } from './issuer-record.js';

/** What is empty on the wire was not given: the default holds. */
export function issuerOfMessage(message: policyV1.Issuer): IssuerRecord {
  const { issuer, organisation, jwksJson, algorithms, audience, allowedRoles, allowedAttributes } = message;
  const { maxTtlSeconds, suspended, tokenTypes, jwksUri, claimMap, profile, dpopRequired, keyOverlapSeconds } = message;
  return {
    ...{ issuer, organisation, jwksJson, algorithms, audience, allowedRoles, allowedAttributes },
    ...{ maxTtlSeconds, suspended },
    ...(tokenTypes.length === 0 ? {} : { tokenTypes }),
    ...(jwksUri === '' ? {} : { jwksUri }),
    ...(claimMap === undefined ? {} : { claimMap: claimMapOf(claimMap) }),
    // A profile that is not known here holds tokens to the strictest that is.
    ...(profile === '' ? {} : { profile: 'at+jwt' as const }),
    ...(dpopRequired ? { dpopRequired } : {}),
    ...(keyOverlapSeconds === 0 ? {} : { keyOverlapSeconds }),
  };
}

function claimMapOf({ subject, roles, roleNames, attributes }: policyV1.ClaimMap): ClaimMap {
  return {
    ...(subject === '' ? {} : { subject }),
    ...(roles === '' ? {} : { roles }),
    ...(Object.keys(roleNames).length === 0 ? {} : { roleNames }),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
  };
}

export function messageOfIssuer(record: IssuerRecord): MessageInitShape<typeof policyV1.IssuerSchema> {
  const { claimMap, ...rest } = record;
  return {
    ...rest,
    algorithms: [...record.algorithms],
    allowedRoles: [...record.allowedRoles],
    allowedAttributes: [...record.allowedAttributes],
    tokenTypes: [...(record.tokenTypes ?? [])],
    ...(claimMap === undefined
      ? {}
      : { claimMap: { ...claimMap, roleNames: { ...claimMap.roleNames }, attributes: { ...claimMap.attributes } } }),
  };
}
