import type { Command } from 'commander';
import type { RunView } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import { stateLabel } from '../output/states.js';
import type { WithContext } from '../program.js';

export function addPause(program: Command, contextOf: WithContext): void {
  program
    .command('pause')
    .argument('<run>', 'run id')
    .description('nothing new of a run starts; what runs goes on')
    .option('--reason <text>', 'kept in the history')
    .action(async (runId: string, { reason }: { reason?: string }, command: Command) => {
      const context = contextOf(command);
      const options = reason === undefined ? {} : { reason };
      showState(context, await context.client().scheduling.pauseRun(runId, options));
    });
}

/** One line: the run, its state, its priority, and whether it is paused. */
export function showState(context: CliContext, run: RunView): void {
  const marks = [stateLabel(run.state), paint.dim(`priority ${run.priority}`), ...(run.paused ? ['paused'] : [])];
  context.say(`${run.id}  ${marks.join('  ')}`);
  context.emit(run);
}
