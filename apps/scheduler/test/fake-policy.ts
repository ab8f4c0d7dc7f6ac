/** The policy service, faked by contract on a real gRPC server: allows everything but what a test denies. */
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, serveRpc, type RpcServer } from '@cogmesh/rpc';

export interface FakePolicy {
  readonly address: string;
  /** `action type:id` that are denied. */
  readonly denied: Set<string>;
  /** What was asked: `sub roles action type:id`. */
  readonly asked: string[];
  readonly server: RpcServer;
}

export async function startPolicy(address: string): Promise<FakePolicy> {
  const denied = new Set<string>();
  const asked: string[] = [];
  const unasked = (): never => {
    throw new CogmeshError('permission_denied', 'the scheduler has no business here');
  };
  const binding = implement(policyV1.PolicyService, {
    decideMany: ({ requests }) =>
      Promise.resolve({
        responses: requests.map(({ subject, action, resource }) => {
          const right = `${action} ${resource?.type}:${resource?.id}`;
          asked.push(`${subject?.sub} ${subject?.roles.join(',')} ${right}`);
          const allowed = !denied.has(right);
          return { allowed, code: allowed ? 'allowed' : 'no_matching_allow', reason: 'no policy allows it' };
        }),
      }),
    decide: unasked,
    explain: unasked,
    getBundle: unasked,
    getIssuers: unasked,
    putPolicies: unasked,
    getPolicies: unasked,
  });
  const server = await serveRpc({ address, services: [binding] });
  return { address: server.address, denied, asked, server };
}
