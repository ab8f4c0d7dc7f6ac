import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { Intake } from '../engine/intake.js';
import { reportHandler, type ReportOptions } from './reports.js';

/** Agents began attempts: their leases run from here. */
export function onStarted(intake: Intake, options: Omit<ReportOptions<never>, 'schema' | 'accept'>): Handler {
  return reportHandler({
    ...options,
    schema: workV1.StartedBatchSchema,
    accept: (batches) => intake.started(batches.flatMap((batch) => batch.started)),
  });
}
