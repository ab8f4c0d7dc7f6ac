import {
  governanceMatrix,
  governancePolicies,
  governanceRoles,
  governanceStages,
  type GovernanceOptions,
} from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/sdk';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { paint } from '../output/colours.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addPolicyGovernance(policy: Command, contextOf: WithContext): void {
  policy
    .command('governance')
    .option('--yaml', 'print the policies, to be put into a policy set')
    .option(
      '--work <work...>',
      'what is done in a stage, as stage=/tools/acme/deploy-* (default: perform on /stages/<stage>)',
      [],
    )
    .description('the governance matrix: who may do what in the life of a model')
    .action((options: { yaml?: boolean; work: readonly string[] }, command: Command) => {
      const context = contextOf(command);
      const policies = governancePolicies({ work: workOf(options.work) });
      context.say(
        options.yaml === true ? stringify({ policies }, { aliasDuplicateObjects: false }).trimEnd() : governanceView(),
      );
      context.emit({ matrix: governanceMatrix, policies });
    });
}

/** Inferring with the named tools and models is the work of the stage. */
function workOf(texts: readonly string[]): NonNullable<GovernanceOptions['work']> {
  const work: Record<string, { permissions: string[]; resources: string[] }> = {};
  for (const text of texts) {
    const [stage = '', resource = ''] = text.split('=', 2);
    if (!governanceStages.some((known) => known === stage) || !resource.startsWith('/'))
      throw new CogmeshError('invalid_argument', `--work is ${governanceStages.join('|')}=/path, not "${text}"`);
    (work[stage] ??= { permissions: ['infer'], resources: [] }).resources.push(resource);
  }
  return work;
}

const cells = {
  may: paint.green('✓ may'),
  'co-approval': paint.yellow('⚠ with co-approval'),
  'must-not': paint.red('✗ must not'),
};

export function governanceView(): string {
  const rows = governanceStages.map((stage) => [
    stage,
    ...governanceRoles.map((role) => cells[governanceMatrix[stage][role]]),
  ]);
  const legend = paint.dim('⚠ another person, with a role that may, has to approve: a task that "uses": "approval"');
  return `${table(['stage', ...governanceRoles], rows)}\n\n${legend}`;
}
