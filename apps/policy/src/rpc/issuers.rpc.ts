/** The face of IssuerService. */
import { policyIssuersV1, type policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { issuerOfMessage, messageOfIssuer } from '@cogmesh/identity';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import type { IssuerRegistry } from '../issuers/issuer-registry.js';
import { permittedMember } from './permitted-member.js';

export function issuersRpc(registry: IssuerRegistry): ServiceBinding {
  return implement(policyIssuersV1.IssuerService, {
    putIssuer: async ({ issuer }, call) => {
      const by = permittedMember(call, 'write', '/issuers');
      return { issuer: messageOfIssuer(await registry.put(issuerOfMessage(given(issuer)), by)) };
    },
    listIssuers: async (_request, call) => {
      const found = await registry.list(permittedMember(call, 'read', '/issuers'));
      return { issuers: found.map(messageOfIssuer) };
    },
    suspendIssuer: async ({ issuer }, call) => {
      const by = permittedMember(call, 'write', '/issuers');
      return { issuer: messageOfIssuer(await registry.setSuspended(issuer, true, by)) };
    },
    resumeIssuer: async ({ issuer }, call) => {
      const by = permittedMember(call, 'write', '/issuers');
      return { issuer: messageOfIssuer(await registry.setSuspended(issuer, false, by)) };
    },
    deleteIssuer: async ({ issuer }, call) => {
      await registry.delete(issuer, permittedMember(call, 'write', '/issuers'));
      return {};
    },
  });
}

function given(issuer: policyV1.Issuer | undefined): policyV1.Issuer {
  if (issuer !== undefined) return issuer;
  throw new CogmeshError('invalid_argument', 'issuer is missing');
}
