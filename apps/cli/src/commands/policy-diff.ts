import { diffPolicySets, parsePolicySet, type PolicySet } from '@cogmesh/policy-core';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { numberOf } from '../numbers.js';
import { paint } from '../output/colours.js';
import { diffView } from '../output/policy-diff-view.js';
import { readForPush, readInForce } from '../policy/in-force.js';
import { requirePolicyFile } from '../policy/policy-file.js';
import type { WithContext } from '../program.js';

interface DiffOptions {
  readonly epoch?: string;
  readonly exitCode?: boolean;
}

interface Compared {
  readonly from: string;
  readonly to: string;
  readonly before: PolicySet;
  readonly after: PolicySet;
}

export function addPolicyDiff(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('diff')
    .argument('[file]', 'what it would become; without it, the set in force')
    .argument('[other]', 'a second file: then the first is what it was, and no mesh is needed')
    .option('--epoch <n>', 'what it was: the set of this epoch instead of the one in force')
    .option('--exit-code', 'exit with 1 when there is a difference')
    .description('what changes, rule by rule, and whether it gives rights or takes some')
    .action(async (file: string | undefined, other: string | undefined, options: DiffOptions, command: Command) => {
      const context = contextOf(command);
      const compared = await setsToCompare(context, { file, other, epoch: options.epoch });
      const changes = diffPolicySets(compared.before, compared.after);
      context.say(`${paint.bold(compared.from)} → ${paint.bold(compared.to)}\n`);
      context.say(diffView(changes, compared));
      context.emit({ from: compared.from, to: compared.to, changes });
      if (options.exitCode === true && changes.length > 0) setExitCode(1);
    });
}

interface Wanted {
  readonly file: string | undefined;
  readonly other: string | undefined;
  readonly epoch: string | undefined;
}

async function setsToCompare(context: CliContext, { file, other, epoch }: Wanted): Promise<Compared> {
  if (file !== undefined && other !== undefined) {
    const [before, after] = await Promise.all([requirePolicyFile(file), requirePolicyFile(other)]);
    return { from: file, to: other, before: before.set, after: after.set };
  }
  const client = context.client();
  const live = await readInForce(client);
  const inForce = `epoch ${live.epoch}, in force`;
  const after = file === undefined ? live.set : (await readForPush(file, live)).set;
  if (epoch === undefined) return { from: inForce, to: file ?? inForce, before: live.set, after };
  const { policySet } = await client.policies.version(numberOf(epoch, '--epoch'));
  return { from: `epoch ${epoch}`, to: file ?? inForce, before: parsePolicySet(policySet), after };
}
