import { governanceMatrix, governancePolicies, governanceRoles, governanceStages } from '@cogmesh/policy-core';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { paint } from '../output/colours.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addPolicyGovernance(policy: Command, contextOf: WithContext): void {
  policy
    .command('governance')
    .option('--yaml', 'print the policies, to be put into a policy set')
    .description('the governance matrix: who may do what in the life of a model')
    .action((options: { yaml?: boolean }, command: Command) => {
      const context = contextOf(command);
      const policies = governancePolicies();
      context.say(options.yaml === true ? stringify({ policies }).trimEnd() : governanceView());
      context.emit({ matrix: governanceMatrix, policies });
    });
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
