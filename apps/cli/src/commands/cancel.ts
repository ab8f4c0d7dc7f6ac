import type { Command } from 'commander';
import { stateLabel } from '../output/states.js';
import type { WithContext } from '../program.js';

export function addCancel(program: Command, contextOf: WithContext): void {
  program
    .command('cancel')
    .argument('<run>', 'run id')
    .description('cancel a run: what runs is stopped, what waits never starts')
    .option('--reason <text>', 'kept in the history')
    .action(async (runId: string, { reason }: { reason?: string }, command: Command) => {
      const context = contextOf(command);
      const run = await context.client().cancelRun(runId, reason === undefined ? {} : { reason });
      context.say(`${run.id}  ${stateLabel(run.state)}`);
      context.emit(run);
    });
}
