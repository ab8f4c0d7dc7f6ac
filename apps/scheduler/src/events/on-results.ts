import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { Intake } from '../engine/intake.js';
import { reportHandler, type ReportOptions } from './reports.js';

/** Attempts ended, or were handed back unstarted. Acknowledged once the outcome is durable. */
export function onResults(
  intake: Pick<Intake, 'results'>,
  options: Omit<ReportOptions<never>, 'schema' | 'accept'>,
): Handler {
  return reportHandler({
    ...options,
    schema: workV1.ResultBatchSchema,
    accept: (batches) => intake.results(batches.flatMap((batch) => batch.results)),
  });
}
