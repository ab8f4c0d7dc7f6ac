import type { PolicySet } from '@cogmesh/policy-core';
import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import { countOf, drawComplaint, placeOf } from '../policy/complaints.js';
import { readPolicyFile, type PolicyFile } from '../policy/policy-file.js';
import type { WithContext } from '../program.js';

export function addPolicyValidate(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('validate')
    .argument('<file...>', 'policy sets, YAML or JSON')
    .description('whether policy sets can be put in force; says every problem with its place')
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const files = await Promise.all(paths.map(readPolicyFile));
      context.say(files.map(validationView).join('\n'));
      context.emit({ files: files.map(summaryOf) });
      if (files.some(({ set }) => set === undefined)) setExitCode(1);
    });
}

export function validationView({ file, set, complaints }: PolicyFile): string {
  if (set !== undefined) return `${paint.green('✓')} ${file.path}  ${paint.dim(contentOf(set))}`;
  const drawn = complaints.map((complaint) => `${drawComplaint(file, complaint)}\n`);
  return [...drawn, `${paint.red('✗')} ${file.path}  ${countOf(complaints.length, 'problem')}`].join('\n');
}

function contentOf({ organisation, policies, roles, grants, bindings = [] }: PolicySet): string {
  const parts = [
    countOf(policies.length, 'policy', 'policies'),
    countOf(Object.keys(roles).length, 'role'),
    ...(bindings.length > 0 ? [countOf(bindings.length, 'binding')] : []),
    ...(grants.length > 0 ? [`${countOf(grants.length, 'grant')} (signatures are checked by the policy service)`] : []),
  ];
  return `${organisation === undefined ? '' : `${organisation}: `}${parts.join(', ')}`;
}

function summaryOf({ file, set, complaints }: PolicyFile) {
  const issues = complaints.map((complaint) => {
    const { path, about: code, message } = complaint;
    return { ...placeOf(file, complaint), path, code, message };
  });
  return { file: file.path, valid: set !== undefined, issues };
}
