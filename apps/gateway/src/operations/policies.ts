/** Reading and replacing the policy set of the caller's own organisation. Nobody names another one. */
import { policyV1 } from '@cogmesh/contracts';
import { authorise } from './authority.js';
import { parseJson } from './json-text.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'policy'>;

export function getPolicies(ports: Ports): Operation<Record<string, never>, policyV1.GetPoliciesResponse> {
  return async (request) => {
    const permission = await authorise(ports.decisions, request, [right('read', '/policies')]);
    const { organisation } = request.subject;
    return ports.calls.call({
      audience: 'policy',
      method: policyV1.PolicyService.method.getPolicies,
      permission,
      signal: request.signal,
      send: (options) => ports.policy.getPolicies({ organisation }, options),
    });
  };
}

export interface PutPoliciesInput {
  readonly policySetJson: string;
  /** Epoch the change is based on; 0 for any. A mismatch is `conflict`. */
  readonly expectedEpoch: bigint;
  /** What the change is for. */
  readonly note: string;
}

export function putPolicies(ports: Ports): Operation<PutPoliciesInput, policyV1.PutPoliciesResponse> {
  return async (request) => {
    const { policySetJson, expectedEpoch, note } = request.input;
    parseJson(policySetJson);
    const permission = await authorise(ports.decisions, request, [right('write', '/policies')]);
    const { organisation } = request.subject;
    return ports.calls.call({
      audience: 'policy',
      method: policyV1.PolicyService.method.putPolicies,
      permission,
      signal: request.signal,
      send: (options) => ports.policy.putPolicies({ organisation, policySetJson, expectedEpoch, note }, options),
    });
  };
}
