import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { Intake } from '@cogmesh/scheduling-core';
import { resultReport, traceResults } from '../engine/work-reports.js';
import { reportHandler, type ReportOptions } from './reports.js';

export interface ResultsOptions extends Omit<ReportOptions<never>, 'schema' | 'accept'> {
  readonly intake: Intake;
  /** Told of results as they come, whether they count or not. */
  readonly onArrived: (results: readonly workV1.Result[]) => void;
}

/** Attempts ended, or were handed back unstarted. Acknowledged once the outcome is durable. */
export function onResults({ intake, onArrived, ...options }: ResultsOptions): Handler {
  return reportHandler({
    ...options,
    schema: workV1.ResultBatchSchema,
    accept: async (batches) => {
      const startMs = Date.now();
      const results = batches.flatMap((batch) => batch.results);
      onArrived(results);
      const accepted = await intake.results(results.map(resultReport));
      traceResults(accepted, startMs);
      return accepted;
    },
  });
}
