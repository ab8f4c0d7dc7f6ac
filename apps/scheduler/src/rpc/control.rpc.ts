import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceImplementation } from '@cogmesh/rpc';

type Methods = 'retryRun' | 'pauseRun' | 'resumeRun' | 'setPriority' | 'signalTask' | 'replayDeadLetter';

/** Filled in by the steps of this change. */
export function controlRpc(): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const later = async (): Promise<never> => {
    throw new CogmeshError('unimplemented', 'not built yet');
  };
  return {
    retryRun: later,
    pauseRun: later,
    resumeRun: later,
    setPriority: later,
    signalTask: later,
    replayDeadLetter: later,
  };
}
