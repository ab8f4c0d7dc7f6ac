import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { Intake, ProgressWords } from '@cogmesh/scheduling-core';
import { progressReport, startedReport } from '../engine/work-reports.js';
import { reportHandler, type ReportOptions } from './reports.js';

export interface StartedOptions extends Omit<ReportOptions<never>, 'schema' | 'accept'> {
  readonly intake: Intake;
  readonly words: ProgressWords;
}

/** Agents began attempts: their leases run from here. What they say of running ones comes the same way. */
export function onStarted({ intake, words, ...options }: StartedOptions): Handler {
  return reportHandler({
    ...options,
    schema: workV1.StartedBatchSchema,
    accept: async (batches) => {
      const accepted = await intake.started(batches.flatMap((batch) => batch.started.map(startedReport)));
      await words.tell(batches.flatMap((batch) => batch.progress.map(progressReport)));
      return accepted;
    },
  });
}
