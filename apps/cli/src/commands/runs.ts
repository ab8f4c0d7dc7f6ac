import type { Command } from 'commander';
import { CogmeshError, type RunFilter, type RunState, type RunView } from '@cogmesh/sdk';
import { collect, labelsOf, timeOf } from '../numbers.js';
import { stateLabel } from '../output/states.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

/** Most runs one `runs` prints. */
const MAX_LISTED = 500;

export function addRuns(program: Command, contextOf: WithContext): void {
  program
    .command('runs')
    .description('list the organisation’s runs, newest first')
    .option('--state <state>', 'only runs in this state')
    .option('--label <key=value>', 'only runs with this label; may be repeated', collect, [])
    .option('--after <time>', 'created at or after this time')
    .option('--before <time>', 'created before this time')
    .option('--schedule <id>', 'only runs that this schedule fired')
    .option('--limit <n>', `at most this many (up to ${MAX_LISTED})`, '20')
    .action(async ({ limit, ...filter }: RunsOptions, command: Command) => {
      const context = contextOf(command);
      const wanted = Number(limit);
      if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_LISTED) {
        throw new CogmeshError('invalid_argument', `--limit is a whole number from 1 to ${MAX_LISTED}`);
      }
      const options = { pageSize: wanted, ...filterOf(filter) };
      const runs: RunView[] = [];
      for await (const page of context.client().listRuns(options)) {
        runs.push(...page);
        if (runs.length >= wanted) break;
      }
      const shown = runs.slice(0, wanted);
      context.say(
        table(
          ['run', 'state', 'name', 'priority', 'created'],
          shown.map((run) => [run.id, stateLabel(run.state), run.name, run.priority, run.createdAt]),
        ),
      );
      context.emit({ runs: shown });
    });
}

interface RunsOptions {
  readonly limit: string;
  readonly state?: string;
  readonly label: readonly string[];
  readonly after?: string;
  readonly before?: string;
  readonly schedule?: string;
}

function filterOf({ state, label, after, before, schedule }: Omit<RunsOptions, 'limit'>): RunFilter {
  return {
    labels: labelsOf(label),
    ...(state === undefined ? {} : { state: state.toUpperCase() as RunState }),
    ...(after === undefined ? {} : { after: timeOf(after, '--after') }),
    ...(before === undefined ? {} : { before: timeOf(before, '--before') }),
    ...(schedule === undefined ? {} : { schedule }),
  };
}
