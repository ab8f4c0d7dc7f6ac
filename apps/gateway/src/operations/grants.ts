/** Giving, holding and ending partner grants on behalf of the caller's organisation. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { policyGrantsV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { callPolicy } from './policy-call.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'grants'>;

export interface GrantOperations {
  readonly createGrant: Operation<
    MessageInitShape<typeof policyGrantsV1.CreateGrantRequestSchema>,
    policyGrantsV1.CreateGrantResponse
  >;
  readonly delegateGrant: Operation<
    MessageInitShape<typeof policyGrantsV1.DelegateGrantRequestSchema>,
    policyGrantsV1.DelegateGrantResponse
  >;
  readonly listGrants: Operation<Record<string, never>, policyGrantsV1.ListGrantsResponse>;
  readonly acceptGrant: Operation<{ readonly id: string }, policyGrantsV1.AcceptGrantResponse>;
  readonly revokeGrant: Operation<{ readonly id: string; readonly reason: string }, policyGrantsV1.RevokeGrantResponse>;
}

const { method } = policyGrantsV1.GrantService;
const writing = right('write', '/grants');

export function grantOperations(ports: Ports): GrantOperations {
  const { grants } = ports;
  return {
    createGrant: (request) =>
      callPolicy(ports, request, {
        method: method.createGrant,
        right: writing,
        send: (options) => grants.createGrant(request.input, options),
      }),
    delegateGrant: (request) =>
      callPolicy(ports, request, {
        method: method.delegateGrant,
        right: writing,
        send: (options) => grants.delegateGrant(request.input, options),
      }),
    listGrants: (request) =>
      callPolicy(ports, request, {
        method: method.listGrants,
        right: right('read', '/grants'),
        send: (options) => grants.listGrants({}, options),
      }),
    acceptGrant: (request) =>
      callPolicy(ports, request, {
        method: method.acceptGrant,
        right: writing,
        send: (options) => grants.acceptGrant(request.input, options),
      }),
    revokeGrant: (request) =>
      callPolicy(ports, request, {
        method: method.revokeGrant,
        right: writing,
        send: (options) => grants.revokeGrant(request.input, options),
      }),
  };
}
