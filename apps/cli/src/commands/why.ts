import type { Command } from 'commander';
import { CogmeshError, type RunView, type WaitingView } from '@cogmesh/sdk';
import { numberOf } from '../numbers.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

/** Waiting tasks that one `why` asks about. */
const MAX_ASKED = 50;
const waitingStates = new Set(['BLOCKED', 'READY', 'RETRY_WAIT', 'WAITING']);

export function addWhy(program: Command, contextOf: WithContext): void {
  program
    .command('why')
    .argument('<run>', 'run id')
    .argument('[task]', 'one task of it; without it, every task that waits')
    .option('--index <n>', 'one item of a forEach task, from 0')
    .description('why a task is not running')
    .action(async (runId: string, task: string | undefined, { index }: { index?: string }, command: Command) => {
      const context = contextOf(command);
      const client = context.client();
      const tasks = task === undefined ? waitingTasks(await client.getRun(runId)) : [task];
      if (index !== undefined && task === undefined) throw new CogmeshError('invalid_argument', '--index needs a task');
      const options = index === undefined ? {} : { index: numberOf(index, '--index') };
      const found = await Promise.all(
        tasks.map(async (id) => ({ task: id, ...(await client.scheduling.explainWaiting(runId, id, options)) })),
      );
      context.say(found.length === 0 ? 'nothing of it waits' : waitingTable(found));
      context.emit({ run: runId, tasks: found });
    });
}

const waitingTasks = (run: RunView): string[] =>
  (run.tasks ?? []).flatMap(({ id, state }) => (waitingStates.has(state) ? [id] : [])).slice(0, MAX_ASKED);

/** A line per task: the code, its place in the order, about how long yet, and the sentence. */
export function waitingTable(tasks: readonly (WaitingView & { readonly task: string })[]): string {
  const rows = tasks.map(({ task, waiting, position, estimateMs }) => [
    task,
    waiting?.code ?? '',
    position === 0 ? '' : String(position),
    estimateMs === 0 ? '' : `${(estimateMs / 1_000).toFixed(1)} s`,
    waiting?.message ?? 'it does not wait',
  ]);
  return table(['task', 'code', 'place', 'in about', ''], rows);
}
