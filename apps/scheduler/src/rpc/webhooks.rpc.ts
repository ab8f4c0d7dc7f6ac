import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceImplementation } from '@cogmesh/rpc';

type Methods = 'putWebhook' | 'listWebhooks' | 'deleteWebhook' | 'listDeliveries';

/** Filled in by the steps of this change. */
export function webhooksRpc(): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const later = async (): Promise<never> => {
    throw new CogmeshError('unimplemented', 'not built yet');
  };
  return { putWebhook: later, listWebhooks: later, deleteWebhook: later, listDeliveries: later };
}
