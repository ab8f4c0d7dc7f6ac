import { lintPolicySet, type LintFinding, type PolicySet } from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/sdk';
import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import { countOf, drawComplaint, placeOf, type Complaint } from '../policy/complaints.js';
import type { LocatedFile } from '../policy/located-file.js';
import { requirePolicyFile } from '../policy/policy-file.js';
import { grantees } from '../policy/read-grants.js';
import type { WithContext } from '../program.js';

interface LintCommandOptions {
  readonly strict?: boolean;
  readonly ignore: readonly string[];
}

export interface LintedFile {
  readonly file: LocatedFile;
  readonly findings: readonly LintFinding[];
}

export function addPolicyLint(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('lint')
    .argument('<file...>', 'policy sets, YAML or JSON')
    .option('--strict', 'warnings fail too')
    .option('--ignore <what...>', 'findings that are meant: a code, or code:policy, for example shadowed:partners', [])
    .description('rules that never decide, are superfluous, reach too far, or let others in')
    .action(async (paths: string[], { strict = false, ignore }: LintCommandOptions, command: Command) => {
      const context = contextOf(command);
      assertKnown(ignore);
      const files = await Promise.all(paths.map((path) => lintFile(path, ignore)));
      context.say(files.map(lintView).join('\n'));
      context.emit({
        files: files.map(({ file, findings }) => ({ file: file.path, findings: placed(file, findings) })),
      });
      if (files.some(({ findings }) => findings.some((one) => fails(one, strict)))) setExitCode(1);
    });
}

const codes: readonly string[] = [
  'unreachable',
  'shadowed',
  'over-broad',
  'cross-organisation',
  'unknown-role',
  'fragile',
] satisfies LintFinding['code'][];

function assertKnown(ignore: readonly string[]): void {
  const unknown = ignore.find((one) => !codes.includes(one.split(':', 1)[0] ?? ''));
  if (unknown !== undefined)
    throw new CogmeshError('invalid_argument', `--ignore takes ${codes.join(', ')}, not "${unknown}"`);
}

async function lintFile(path: string, ignore: readonly string[]): Promise<LintedFile> {
  const { file, set } = await requirePolicyFile(path);
  const meant = new Set(ignore);
  const findings = findingsOf(set).filter(({ code, policy }) => !meant.has(code) && !meant.has(`${code}:${policy}`));
  return { file, findings };
}

export function findingsOf(set: PolicySet): LintFinding[] {
  return lintPolicySet(set, set.grants.length === 0 ? {} : { grantees: grantees(set.grants) });
}

export const fails = ({ severity }: LintFinding, strict: boolean): boolean =>
  severity === 'error' || (strict && severity === 'warning');

/** The path of a finding in the file: a bare list has no `policies`. */
function complaintOf({ value }: LocatedFile, finding: LintFinding): Complaint {
  const { severity, code, policy, position, field, message, advice } = finding;
  const item = `${Array.isArray(value) ? '' : 'policies'}[${position}]`;
  const path = field === '' ? item : `${item}.${field}`;
  return { severity, path, about: `${code} ${policy}`, message, advice };
}

export function lintView({ file, findings }: LintedFile): string {
  if (findings.length === 0) return `${paint.green('✓')} ${file.path}  ${paint.dim('nothing found')}`;
  const drawn = findings.map((finding) => `${drawComplaint(file, complaintOf(file, finding))}\n`);
  const counts = (['error', 'warning', 'notice'] as const)
    .map((severity) => [findings.filter((one) => one.severity === severity).length, severity] as const)
    .filter(([n]) => n > 0)
    .map(([n, severity]) => countOf(n, severity));
  const mark = findings.some((one) => fails(one, false)) ? paint.red('✗') : paint.yellow('!');
  return [...drawn, `${mark} ${file.path}  ${counts.join(', ')}`].join('\n');
}

function placed(file: LocatedFile, findings: readonly LintFinding[]) {
  return findings.map((finding) => ({ ...placeOf(file, complaintOf(file, finding)), ...finding }));
}
