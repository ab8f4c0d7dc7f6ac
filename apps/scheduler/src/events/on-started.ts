import { workV1 } from '@cogmesh/contracts';
import type { Handler } from '@cogmesh/bus';
import type { Intake } from '../engine/intake.js';
import type { ProgressWords } from '../engine/progress.js';
import { reportHandler, type ReportOptions } from './reports.js';

/** Agents began attempts: their leases run from here. What they say of running ones comes the same way. */
export function onStarted(
  intake: Intake,
  words: ProgressWords,
  options: Omit<ReportOptions<never>, 'schema' | 'accept'>,
): Handler {
  return reportHandler({
    ...options,
    schema: workV1.StartedBatchSchema,
    accept: async (batches) => {
      const accepted = await intake.started(batches.flatMap((batch) => batch.started));
      await words.tell(batches.flatMap((batch) => batch.progress));
      return accepted;
    },
  });
}
