import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';
import { numberOf } from '../numbers.js';
import { jsonFile } from './retry.js';

interface SignalOptions {
  readonly index?: number;
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
      .option('--index <n>', 'one item of a forEach task, from 0', (text) => numberOf(text, '--index'))
      .option('--comment <text>', 'kept in the output of the task')
      .option('--data <file>', 'JSON that becomes part of the output of the task')
      .action(async (runId: string, task: string, { index, comment, data }: SignalOptions, command: Command) => {
        const context = contextOf(command);
        const signal = {
          approved,
          ...(index === undefined ? {} : { index }),
          ...(comment === undefined ? {} : { comment }),
          ...(data === undefined ? {} : { data: await jsonFile(data) }),
        };
        const { missing } = await context.client().scheduling.signalTask(runId, task, signal);
        const rest = missing > 0 ? paint.dim(` (${missing} more needed)`) : '';
        const item = index === undefined ? '' : `[${index}]`;
        context.say(`${task}${item} of ${runId}  ${approved ? paint.green('approved') : paint.red('refused')}${rest}`);
        context.emit({ run: runId, task, ...(index === undefined ? {} : { index }), approved, missing });
      });
  }
}
