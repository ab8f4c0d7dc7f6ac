import type { Command } from 'commander';
import type { WithContext } from '../program.js';
import { showState } from './pause.js';

export function addResume(program: Command, contextOf: WithContext): void {
  program
    .command('resume')
    .argument('<run>', 'run id')
    .description('let a paused run go on')
    .action(async (runId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      showState(context, await context.client().scheduling.resumeRun(runId));
    });
}
