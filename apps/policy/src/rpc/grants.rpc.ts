/** The face of GrantService: messages to the grant desk's words and back. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { policyGrantsV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import type { GrantDesk, GrantTerms } from '../grants/grant-desk.js';
import type { GrantState, StoredGrant } from '../grants/grant-store.js';
import { permittedMember } from './permitted-member.js';

export function grantsRpc(desk: GrantDesk): ServiceBinding {
  return implement(policyGrantsV1.GrantService, {
    createGrant: async ({ grant }, call) => {
      const by = permittedMember(call, 'write', '/grants');
      if (grant.case === 'jws') return { grant: messageOf(await desk.register(grant.value, by)) };
      return { grant: messageOf(await desk.create(termsOf(grant.value), by)) };
    },
    delegateGrant: async ({ parentId, terms }, call) => {
      const by = permittedMember(call, 'write', '/grants');
      return { grant: messageOf(await desk.delegate(parentId, termsOf(terms), by)) };
    },
    listGrants: async (_request, call) => {
      const grants = await desk.list(permittedMember(call, 'read', '/grants'));
      return { grants: grants.map(messageOf) };
    },
    acceptGrant: async ({ id }, call) => {
      return { grant: messageOf(await desk.accept(id, permittedMember(call, 'write', '/grants'))) };
    },
    revokeGrant: async ({ id, reason }, call) => {
      return { grant: messageOf(await desk.revoke({ id, reason }, permittedMember(call, 'write', '/grants'))) };
    },
  });
}

function termsOf(terms: policyGrantsV1.GrantTerms | undefined): GrantTerms {
  if (terms?.expiresAt === undefined)
    throw new CogmeshError('invalid_argument', 'the terms of the grant are missing, or when it ends (expires_at)');
  const { grantee, actions, resources, roles, attributes, purpose, notBefore, expiresAt, delegations } = terms;
  return {
    ...{ grantee, actions, resources, purpose, delegations, expiresAtMs: timestampMs(expiresAt) },
    ...(roles === undefined ? {} : { roles: roles.names }),
    ...(attributes === undefined ? {} : { attributes: attributes.names }),
    ...(notBefore === undefined ? {} : { notBeforeMs: timestampMs(notBefore) }),
  };
}

const { PartnerGrant_State: states } = policyGrantsV1;
const stateOf: Readonly<Record<GrantState, policyGrantsV1.PartnerGrant_State>> = {
  offered: states.OFFERED,
  accepted: states.ACCEPTED,
  revoked: states.REVOKED,
};

type Message = MessageInitShape<typeof policyGrantsV1.PartnerGrantSchema>;

function messageOf({ claims, state, ...grant }: StoredGrant): Message {
  const { id, grantor, parentId = '', delegatedBy = '' } = claims;
  const { createdBy, acceptedBy, revokedBy, revokeReason, jws } = grant;
  return {
    ...{ id, grantor, parentId, delegatedBy, createdBy, acceptedBy, revokedBy, revokeReason, jws },
    state: stateOf[state],
    createdAt: timestampFromMs(grant.createdAtMs),
    ...(grant.acceptedAtMs === undefined ? {} : { acceptedAt: timestampFromMs(grant.acceptedAtMs) }),
    ...(grant.revokedAtMs === undefined ? {} : { revokedAt: timestampFromMs(grant.revokedAtMs) }),
    terms: termsMessage(claims),
  };
}

function termsMessage(claims: StoredGrant['claims']): NonNullable<Message['terms']> {
  const { grantee, purpose = '', delegations = 0, roles, attributes, notBeforeMs, expiresAtMs } = claims;
  return {
    ...{ grantee, purpose, delegations, expiresAt: timestampFromMs(expiresAtMs) },
    actions: [...claims.actions],
    resources: [...claims.resources],
    ...(roles === undefined ? {} : { roles: { names: [...roles] } }),
    ...(attributes === undefined ? {} : { attributes: { names: [...attributes] } }),
    ...(notBeforeMs === undefined ? {} : { notBefore: timestampFromMs(notBeforeMs) }),
  };
}
