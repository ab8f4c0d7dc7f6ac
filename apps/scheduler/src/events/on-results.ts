import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { ReportDesk } from '../replicas/report-desk.js';
import { reportHandler, type ReportOptions } from './reports.js';

export interface ResultsOptions extends Omit<ReportOptions<never>, 'schema' | 'accept'> {
  readonly desk: ReportDesk;
}

/** Attempts ended, or were handed back unstarted. Acknowledged once the outcome is durable. */
export function onResults({ desk, ...options }: ResultsOptions): Handler {
  return reportHandler({
    ...options,
    schema: workV1.ResultBatchSchema,
    accept: (batches) => desk.results(batches.flatMap(({ results }) => results)),
  });
}
