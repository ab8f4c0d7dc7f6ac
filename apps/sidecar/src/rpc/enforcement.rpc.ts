import { policyV1 } from '@cogmesh/contracts';
import type { CheckTaskGrant, Enforcement } from '@cogmesh/enforcement';
import { implement, type ServiceBinding } from '@cogmesh/rpc';

export interface EnforcementRpcOptions {
  readonly checkTaskGrant: CheckTaskGrant;
  readonly poke: Enforcement['poke'];
}

/** For the service behind the sidecar alone: who calls was established by the proxy in front. */
export function enforcementRpc({ checkTaskGrant, poke }: EnforcementRpcOptions): ServiceBinding {
  return implement(policyV1.EnforcementService, {
    checkTaskGrant: ({ grantJws, agentId, attempts }) => checkTaskGrant({ grantJws, agentId, attempts }),
    refresh: async () => {
      await poke();
      return {};
    },
  });
}
