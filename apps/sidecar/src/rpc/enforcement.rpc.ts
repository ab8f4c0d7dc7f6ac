import { policyV1 } from '@cogmesh/contracts';
import type { CheckTaskGrant } from '@cogmesh/enforcement';
import { implement, type ServiceBinding } from '@cogmesh/rpc';

/** The check of task grants, for the service behind the sidecar. Who calls was established by the proxy in front. */
export function enforcementRpc(checkTaskGrant: CheckTaskGrant): ServiceBinding {
  return implement(policyV1.EnforcementService, {
    checkTaskGrant: ({ grantJws, agentId, attempts }) => checkTaskGrant({ grantJws, agentId, attempts }),
  });
}
