import { dirname, resolve } from 'node:path';
import {
  parsePolicySet,
  parseTestTable,
  runTests,
  type PolicySet,
  type TestOutcome,
  type TestReport,
  type TestTable,
} from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/sdk';
import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import { outcomeTable } from '../output/rule-table.js';
import { countOf, placeText } from '../policy/complaints.js';
import { readLocatedFile, type LocatedFile } from '../policy/located-file.js';
import { requirePolicyFile } from '../policy/policy-file.js';
import type { WithContext } from '../program.js';

export interface TestedFile {
  readonly file: LocatedFile;
  readonly table: TestTable;
  readonly report: TestReport;
}

export function addPolicyTest(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('test')
    .argument('<file...>', 'tables of tests, YAML')
    .description('run tables of tests against policy sets; needs no mesh')
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const files = await Promise.all(paths.map((path) => runTestFile(path)));
      context.say(testsView(files));
      context.emit({ files: files.map(summaryOf), failed: failedIn(files) });
      if (failedIn(files) > 0) setExitCode(1);
    });
}

/** `instead`: a set under test, in place of the one that the table names for its organisation. */
export async function runTestFile(
  path: string,
  instead: Readonly<Record<string, PolicySet>> = {},
): Promise<TestedFile> {
  const file = await readLocatedFile(path);
  const table = tableOf(file);
  const sets: Record<string, PolicySet> = {};
  for (const [organisation, given] of Object.entries(table.policies))
    sets[organisation] = instead[organisation] ?? (await setOf(given, path));
  return { file, table, report: runTests(table, sets) };
}

function tableOf(file: LocatedFile): TestTable {
  try {
    return parseTestTable(file.value);
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    const issues = (thrown.details.issues ?? []).map((issue) => ({
      ...issue,
      path: placeText(file, file.locate(issue.path)),
      message: `${issue.path}: ${issue.message}`,
    }));
    throw new CogmeshError('invalid_argument', `${file.path} is no table of tests`, { issues });
  }
}

async function setOf(given: unknown, path: string): Promise<PolicySet> {
  if (typeof given !== 'string') return parsePolicySet(given);
  return (await requirePolicyFile(resolve(dirname(path), given))).set;
}

export const failedIn = (files: readonly TestedFile[]): number =>
  files.reduce((sum, { report }) => sum + report.failed, 0);

export function testsView(files: readonly TestedFile[]): string {
  const total = files.reduce((sum, { report }) => sum + report.outcomes.length, 0);
  const failed = failedIn(files);
  const sum =
    failed === 0 ? paint.green(`${countOf(total, 'test')} passed`) : paint.red(`${failed} of ${total} failed`);
  return [...files.map(fileView), '', sum].join('\n');
}

function fileView({ file, table, report }: TestedFile): string {
  const { outcomes, failed, untouched } = report;
  const mark = failed === 0 ? paint.green('✓') : paint.red('✗');
  const told =
    failed === 0 ? countOf(outcomes.length, 'test') : `${failed} of ${countOf(outcomes.length, 'test')} failed`;
  const head = `${mark} ${paint.bold(file.path)}  ${told}${table.description === undefined ? '' : paint.dim(`  ${table.description}`)}`;
  const failures = outcomes.filter(({ mismatches }) => mismatches.length > 0).map((one) => failureView(file, one));
  const rest = Object.entries(untouched).map(([organisation, ids]) =>
    paint.dim(`  no test matches ${ids.length > 1 ? 'these' : 'this'} of ${organisation}: ${ids.join(', ')}`),
  );
  return [head, ...failures, ...rest].join('\n');
}

function failureView(file: LocatedFile, { test, position, decision, mismatches, rules }: TestOutcome): string {
  const place = placeText(file, file.locate(`tests[${position}].name`));
  const lines = [
    '',
    `  ${paint.red('✗')} ${paint.bold(test.name)}  ${paint.dim(place)}`,
    ...mismatches.map((text) => `    ${paint.red(text)}`),
    `    ${decision.reason} ${paint.dim(`(${decision.code})`)}`,
  ];
  return [...lines, ...indented(outcomeTable(rules), 4), ''].join('\n');
}

const indented = (text: string, by: number): string[] =>
  text === '' ? [] : text.split('\n').map((line) => `${' '.repeat(by)}${line}`);

function summaryOf({ file, report }: TestedFile) {
  const tests = report.outcomes.map(({ test, position, decision, mismatches }) => ({
    name: test.name,
    line: file.locate(`tests[${position}].name`).line,
    passed: mismatches.length === 0,
    mismatches,
    allowed: decision.allowed,
    code: decision.code,
    reason: decision.reason,
  }));
  return { file: file.path, failed: report.failed, untouched: report.untouched, tests };
}
