import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CogmeshError, isEnded, mermaid, type RunDocument, type RunView } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import { stateLabel } from '../output/states.js';
import { table } from '../output/table.js';
import { watchToEnd } from '../output/watch.js';
import type { WithContext } from '../program.js';
import { loadDocument } from '../run-file.js';

interface RunOptions {
  readonly watch?: boolean;
  readonly key?: string;
  readonly graph?: boolean;
}

export function addRun(program: Command, contextOf: WithContext, exitWith: (code: number) => void): void {
  program
    .command('run')
    .argument(
      '<file>',
      'run document: JSON, or a module that exports a DAG; - reads standard input; a run id shows that run',
    )
    .description('submit a run')
    .option('--watch', 'follow it to its end; the exit status says how it ended')
    .option('--key <key>', 'idempotency key')
    .option('--graph', 'print the run as a Mermaid flow chart and submit nothing')
    .action(async (file: string, options: RunOptions, command: Command) => {
      const context = contextOf(command);
      if (options.graph) return showGraph(context, await documentText(file));
      const client = context.client();
      const run = file.startsWith('run_') ? await client.getRun(file) : await submit(context, file, options);
      const shown = options.watch ? await watchToEnd(context, client, run) : run;
      showRun(context, shown);
      if (options.watch || isEnded(shown.state)) exitWith(shown.state === 'SUCCEEDED' ? 0 : 1);
    });
}

const documentText = (file: string) => (file === '-' ? text(process.stdin) : loadDocument(file));

function showGraph(context: CliContext, documentJson: string): void {
  const graph = mermaid(parsed(documentJson));
  context.say(graph.trimEnd());
  context.emit({ mermaid: graph });
}

function parsed(documentJson: string): RunDocument {
  try {
    const document = JSON.parse(documentJson) as RunDocument;
    if (Array.isArray(document?.tasks)) return document;
  } catch (cause) {
    throw new CogmeshError('invalid_json', `the run is not JSON: ${(cause as Error).message}`, {}, { cause });
  }
  throw new CogmeshError('invalid_run', 'a run document has a list of tasks');
}

async function submit(context: CliContext, file: string, { key }: RunOptions): Promise<RunView> {
  const document = await documentText(file);
  return context.client().submitRunText(document, key === undefined ? {} : { idempotencyKey: key });
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
