/** Reading and verifying the decision log of the caller's own organisation. Nobody names another one. */
import { policyAuditV1 } from '@cogmesh/contracts';
import type { Client } from '@cogmesh/rpc';
import type { Operation } from './operation.js';
import { callPolicy } from './policy-call.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export type AuditClient = Client<typeof policyAuditV1.AuditService>;

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'audit'>;
/** What a caller says; the organisation is taken from the token. */
type Said<Request> = Omit<Request, 'organisation' | '$typeName' | '$unknown'>;

export interface AuditOperations {
  readonly query: Operation<Said<policyAuditV1.QueryRequest>, policyAuditV1.QueryResponse>;
  readonly verify: Operation<Said<policyAuditV1.VerifyRequest>, policyAuditV1.VerifyResponse>;
}

export function audit(ports: Ports): AuditOperations {
  const { method } = policyAuditV1.AuditService;
  return {
    query: (request) => {
      const asked = { ...request.input, organisation: request.subject.organisation };
      const send = (options: Parameters<AuditClient['query']>[1]) => ports.audit.query(asked, options);
      return callPolicy(ports, request, { method: method.query, right: right('read', '/audit'), send });
    },
    verify: (request) => {
      const asked = { ...request.input, organisation: request.subject.organisation };
      const send = (options: Parameters<AuditClient['verify']>[1]) => ports.audit.verify(asked, options);
      return callPolicy(ports, request, { method: method.verify, right: right('read', '/audit'), send });
    },
  };
}
