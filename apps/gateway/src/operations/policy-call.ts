import type { DescMethod } from '@bufbuild/protobuf';
import type { Access, CallOptions } from '@cogmesh/rpc';
import { authorise } from './authority.js';
import type { OperationRequest } from './operation.js';
import type { OperationPorts } from './ports.js';

export interface PolicyCall<Answer> {
  readonly method: DescMethod;
  readonly right: Access;
  readonly send: (options: CallOptions) => Promise<Answer>;
}

/** Asks for the right, then calls the policy service with a permit for exactly that. */
export async function callPolicy<Answer>(
  ports: Pick<OperationPorts, 'decisions' | 'calls'>,
  request: Pick<OperationRequest<unknown>, 'subject' | 'signal' | 'consistencyToken'>,
  { method, right, send }: PolicyCall<Answer>,
): Promise<Answer> {
  const permission = await authorise(ports.decisions, request, [right]);
  return ports.calls.call({ audience: 'policy', method, permission, signal: request.signal, send });
}
