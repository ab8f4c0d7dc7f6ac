import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceImplementation } from '@cogmesh/rpc';

type Methods =
  'putSchedule' | 'getSchedule' | 'listSchedules' | 'deleteSchedule' | 'triggerSchedule' | 'backfillSchedule';

/** Filled in by the steps of this change. */
export function schedulesRpc(): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const later = async (): Promise<never> => {
    throw new CogmeshError('unimplemented', 'not built yet');
  };
  return {
    putSchedule: later,
    getSchedule: later,
    listSchedules: later,
    deleteSchedule: later,
    triggerSchedule: later,
    backfillSchedule: later,
  };
}
