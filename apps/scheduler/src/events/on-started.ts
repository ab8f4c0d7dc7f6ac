import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { ReportDesk } from '../replicas/report-desk.js';
import { reportHandler, type ReportOptions } from './reports.js';

export interface StartedOptions extends Omit<ReportOptions<never>, 'schema' | 'accept'> {
  readonly desk: ReportDesk;
}

/** Agents began attempts: their leases run from here. What they say of running ones comes the same way. */
export function onStarted({ desk, ...options }: StartedOptions): Handler {
  return reportHandler({
    ...options,
    schema: workV1.StartedBatchSchema,
    accept: (batches) =>
      desk.started({
        started: batches.flatMap(({ started }) => started),
        progress: batches.flatMap(({ progress }) => progress),
      }),
  });
}
