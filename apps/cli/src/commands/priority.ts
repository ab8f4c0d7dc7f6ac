import type { Command } from 'commander';
import { numberOf } from '../numbers.js';
import type { WithContext } from '../program.js';
import { showState } from './pause.js';

export function addPriority(program: Command, contextOf: WithContext): void {
  program
    .command('priority')
    .argument('<run>', 'run id')
    .argument('<priority>', '0 to 9, higher first')
    .description('move a waiting run, or one task of it, in the order of its organisation')
    .option('--task <id>', 'only this waiting task')
    .action(async (runId: string, text: string, { task }: { task?: string }, command: Command) => {
      const context = contextOf(command);
      const priority = numberOf(text, 'the priority');
      const options = task === undefined ? {} : { task };
      showState(context, await context.client().scheduling.setPriority(runId, priority, options));
    });
}
