/** Managing whose tokens are accepted. Which issuers a caller manages, the policy service says. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { policyIssuersV1, type policyV1 } from '@cogmesh/contracts';
import type { Operation, OperationRequest } from './operation.js';
import { callPolicy } from './policy-call.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'issuers'>;
type Nothing = Record<string, never>;

export interface IssuerNamed {
  /** Exact `iss`. */
  readonly issuer: string;
}

export interface PutIssuerInput {
  readonly issuer: MessageInitShape<typeof policyV1.IssuerSchema>;
}

export interface IssuerOperations {
  readonly putIssuer: Operation<PutIssuerInput, policyIssuersV1.PutIssuerResponse>;
  readonly listIssuers: Operation<Nothing, policyIssuersV1.ListIssuersResponse>;
  readonly suspendIssuer: Operation<IssuerNamed, policyIssuersV1.SuspendIssuerResponse>;
  readonly resumeIssuer: Operation<IssuerNamed, policyIssuersV1.ResumeIssuerResponse>;
  readonly deleteIssuer: Operation<IssuerNamed, policyIssuersV1.DeleteIssuerResponse>;
}

const { method } = policyIssuersV1.IssuerService;
const writing = right('write', '/issuers');

export function issuerOperations(ports: Ports): IssuerOperations {
  const { issuers } = ports;
  return {
    putIssuer: (request) =>
      callPolicy(ports, request, {
        method: method.putIssuer,
        right: writing,
        send: (options) =>
          // Whoever names no organisation means their own.
          issuers.putIssuer({ issuer: { ...request.input.issuer, organisation: organisationOf(request) } }, options),
      }),
    listIssuers: (request) =>
      callPolicy(ports, request, {
        method: method.listIssuers,
        right: right('read', '/issuers'),
        send: (options) => issuers.listIssuers({}, options),
      }),
    suspendIssuer: (request) =>
      callPolicy(ports, request, {
        method: method.suspendIssuer,
        right: writing,
        send: (options) => issuers.suspendIssuer(request.input, options),
      }),
    resumeIssuer: (request) =>
      callPolicy(ports, request, {
        method: method.resumeIssuer,
        right: writing,
        send: (options) => issuers.resumeIssuer(request.input, options),
      }),
    deleteIssuer: (request) =>
      callPolicy(ports, request, {
        method: method.deleteIssuer,
        right: writing,
        send: (options) => issuers.deleteIssuer(request.input, options),
      }),
  };
}

function organisationOf({ input, subject }: OperationRequest<PutIssuerInput>): string {
  return input.issuer.organisation || subject.organisation;
}
