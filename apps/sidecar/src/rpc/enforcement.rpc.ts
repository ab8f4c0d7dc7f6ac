import { policyV1 } from '@cogmesh/contracts';
import type { Enforcement } from '@cogmesh/enforcement';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import type { GrantDesk } from './grant-desk.js';

export interface EnforcementRpcOptions {
  readonly grants: Pick<GrantDesk, 'serve'>;
  readonly poke: Enforcement['poke'];
}

/** For the service behind the sidecar alone: who calls was established by the proxy in front. */
export function enforcementRpc({ grants, poke }: EnforcementRpcOptions): ServiceBinding {
  return implement(policyV1.EnforcementService, {
    checkTaskGrants: (requests, { signal }) => grants.serve(requests, signal),
    refresh: async () => {
      await poke();
      return {};
    },
  });
}
