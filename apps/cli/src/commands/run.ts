import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CogmeshError, isEnded, type RunView } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import { stateLabel } from '../output/states.js';
import { table } from '../output/table.js';
import { watchToEnd } from '../output/watch.js';
import type { WithContext } from '../program.js';

interface RunOptions {
  readonly watch?: boolean;
  readonly key?: string;
}

export function addRun(program: Command, contextOf: WithContext, exitWith: (code: number) => void): void {
  program
    .command('run')
    .argument('<file>', 'run document as JSON; - reads standard input; a run id shows that run')
    .description('submit a run')
    .option('--watch', 'follow it to its end; the exit status says how it ended')
    .option('--key <key>', 'idempotency key')
    .action(async (file: string, options: RunOptions, command: Command) => {
      const context = contextOf(command);
      const client = context.client();
      const run = file.startsWith('run_') ? await client.getRun(file) : await submit(context, file, options);
      const shown = options.watch ? await watchToEnd(context, client, run) : run;
      showRun(context, shown);
      if (options.watch || isEnded(shown.state)) exitWith(shown.state === 'SUCCEEDED' ? 0 : 1);
    });
}

async function submit(context: CliContext, file: string, { key }: RunOptions): Promise<RunView> {
  const document = file === '-' ? await text(process.stdin) : await readDocument(file);
  return context.client().submitRunText(document, key === undefined ? {} : { idempotencyKey: key });
}

async function readDocument(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CogmeshError('not_found', `cannot read the run document ${file}`, { file }, { cause });
  }
}

/** What a person wants of a run: state, a table of its tasks, the output or what went wrong. */
export function showRun(context: CliContext, run: RunView): void {
  context.emit(run);
  context.say(`${run.id}  ${stateLabel(run.state)}  ${run.name}  ${paint.dim(`trace ${run.traceId}`)}`);
  const rows = (run.tasks ?? []).map((task) => [
    task.id,
    stateLabel(task.state),
    task.uses,
    task.items ? `${task.items.succeeded}/${task.items.total}` : '',
    task.queuedMs ?? '',
    task.runMs ?? '',
    task.error?.message ?? task.waiting?.message ?? '',
  ]);
  if (rows.length > 0) context.say(table(['task', 'state', 'uses', 'items', 'queued ms', 'run ms', ''], rows));
  if (run.error) context.say(paint.red(`${run.error.code}: ${run.error.message}`));
  if (run.output !== undefined && run.output !== null) context.say(JSON.stringify(run.output, null, 2));
}
