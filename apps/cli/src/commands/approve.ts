import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';
import { jsonFile } from './retry.js';

interface SignalOptions {
  readonly comment?: string;
  readonly data?: string;
}

/** `approve` and `refuse`: the two answers to an approval task. */
export function addApprove(program: Command, contextOf: WithContext): void {
  for (const approved of [true, false]) {
    program
      .command(approved ? 'approve' : 'refuse')
      .argument('<run>', 'run id')
      .argument('<task>', 'approval task that waits')
      .description(approved ? 'approve a waiting approval task' : 'refuse a waiting approval task; the task fails')
      .option('--comment <text>', 'kept in the output of the task')
      .option('--data <file>', 'JSON that becomes part of the output of the task')
      .action(async (runId: string, task: string, { comment, data }: SignalOptions, command: Command) => {
        const context = contextOf(command);
        const signal = {
          approved,
          ...(comment === undefined ? {} : { comment }),
          ...(data === undefined ? {} : { data: await jsonFile(data) }),
        };
        const { missing } = await context.client().scheduling.signalTask(runId, task, signal);
        const rest = missing > 0 ? paint.dim(` (${missing} more needed)`) : '';
        context.say(`${task} of ${runId}  ${approved ? paint.green('approved') : paint.red('refused')}${rest}`);
        context.emit({ run: runId, task, approved, missing });
      });
  }
}
