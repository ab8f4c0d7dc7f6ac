import type { CogmeshClient, SimulationView } from '@cogmesh/sdk';
import type { Command } from 'commander';
import { numberOf, timeOf } from '../numbers.js';
import { paint } from '../output/colours.js';
import { flipSummary, flipTable } from '../output/flip-table.js';
import { countOf } from '../policy/complaints.js';
import { readForPush, readInForce } from '../policy/in-force.js';
import type { WithContext } from '../program.js';

interface SimulateOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly exitCode?: boolean;
}

export function addPolicySimulate(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('simulate')
    .argument('[file]', 'policy set to try; without it, the candidate')
    .option('--from <time>', 'recorded from then on, ISO 8601')
    .option('--to <time>', 'recorded before, ISO 8601')
    .option('--limit <n>', 'recorded decisions at most, newest first (default: 10000)')
    .option('--exit-code', 'exit with 1 when a decision flips')
    .description('replay the decision log under another policy set, and list every decision that flips')
    .action(async (file: string | undefined, options: SimulateOptions, command: Command) => {
      const context = contextOf(command);
      const client = context.client();
      const simulation = await client.policies.simulate({ ...(await policySetOf(client, file)), ...rangeOf(options) });
      context.say(simulationView(simulation));
      context.emit(simulation);
      if (options.exitCode === true && simulation.flipsToDeny + simulation.flipsToAllow > 0) setExitCode(1);
    });
}

async function policySetOf(client: CogmeshClient, file: string | undefined) {
  if (file === undefined) return {};
  return { policySet: (await readForPush(file, await readInForce(client))).set };
}

function rangeOf({ from, to, limit }: SimulateOptions) {
  return {
    ...(from === undefined ? {} : { from: timeOf(from, '--from') }),
    ...(to === undefined ? {} : { to: timeOf(to, '--to') }),
    ...(limit === undefined ? {} : { limit: numberOf(limit, '--limit') }),
  };
}

export function simulationView(simulation: SimulationView): string {
  const { replayed, flips, flipsToDeny: toDeny, flipsToAllow: toAllow } = simulation;
  if (replayed === 0) return 'the decision log has nothing of that time to replay';
  const lines = flips.length === 0 ? [] : [flipTable(flips), ''];
  const head = `${countOf(replayed, 'recorded decision')} replayed: ${flipSummary({ toDeny, toAllow })}`;
  return [...lines, head, ...caveats(simulation)].join('\n');
}

function caveats({ undecidable, flipsNotListed, truncated }: SimulationView): string[] {
  return [
    ...(undecidable > 0
      ? [
          `${undecidable} could not be decided: the set reads values that the log masks`,
          '→ name them in COGMESH_DECISION_LOG_CLEAR to have them logged from now on',
        ]
      : []),
    ...(flipsNotListed > 0 ? [`${flipsNotListed} more flips are not listed`] : []),
    ...(truncated ? ['older decisions were not looked at; raise --limit, or set --from and --to'] : []),
  ].map((line) => paint.dim(line));
}
