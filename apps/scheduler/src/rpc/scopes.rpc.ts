import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceImplementation } from '@cogmesh/rpc';

type Methods = 'listScopes' | 'putScope' | 'explainWaiting';

/** Filled in by the steps of this change. */
export function scopesRpc(): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const later = async (): Promise<never> => {
    throw new CogmeshError('unimplemented', 'not built yet');
  };
  return { listScopes: later, putScope: later, explainWaiting: later };
}
