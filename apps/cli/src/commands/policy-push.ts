/** Putting policies in force, or beside those in force; going back. Everything that can be checked is checked before. */
import { diffPolicySets, parsePolicySet, type Change, type PolicySet } from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/sdk';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { collect, numberOf } from '../numbers.js';
import { paint } from '../output/colours.js';
import { diffView } from '../output/policy-diff-view.js';
import { readForPush, readInForce, type InForce } from '../policy/in-force.js';
import type { LocatedFile } from '../policy/located-file.js';
import type { WithContext } from '../program.js';
import { fails, findingsOf, lintView } from './policy-lint.js';
import { failedIn, runTestFile, testsView } from './policy-test.js';

interface PushOptions {
  readonly expectedEpoch?: string;
  readonly note?: string;
  readonly test: readonly string[];
  readonly shadow?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

interface Push {
  readonly file: LocatedFile;
  readonly set: PolicySet;
  readonly live: InForce;
}

export function addPolicyPush(policy: Command, contextOf: WithContext): void {
  policy
    .command('push')
    .argument('<file>', 'policy set, YAML or JSON; one without "grants" keeps those in force')
    .option('--test <file>', 'table of tests that must pass first; may be repeated', collect, [])
    .option('--shadow', 'do not put it in force: evaluate it beside the set in force, and count what flips')
    .option('--note <text>', 'what the change is for; kept with the version')
    .option('--expected-epoch <n>', 'epoch the change is based on (default: the one that is read for the difference)')
    .option('--dry-run', 'check and show everything, change nothing')
    .option('--force', 'push in spite of lint errors')
    .description('check, lint, test and show the difference; then put a policy set in force')
    .action(async (path: string, options: PushOptions, command: Command) => {
      const context = contextOf(command);
      const live = await readInForce(context.client());
      const push = { ...(await readForPush(path, live)), live };
      assertSound(context, push, options);
      await assertTested(context, push, options);
      showDifference(context, push);
      if (options.dryRun === true) return untouched(context, diffPolicySets(live.set, push.set));
      await (options.shadow === true ? putCandidate : putInForce)(context, push, options);
    });
}

function assertSound(context: CliContext, { file, set }: Push, { force = false }: PushOptions): void {
  const findings = findingsOf(set).filter(({ severity }) => severity !== 'notice');
  if (findings.length > 0) context.say(lintView({ file, findings }));
  if (force || !findings.some((one) => fails(one, false))) return;
  const issues = findings.map(({ policy, code, message }) => ({ path: policy, code, message }));
  throw new CogmeshError('invalid_policy', 'lint found errors; correct them, or push with --force', { issues });
}

async function assertTested(context: CliContext, { set }: Push, { test }: PushOptions): Promise<void> {
  if (test.length === 0) return;
  const { organisation } = await context.client().whoami();
  const files = await Promise.all(test.map((path) => runTestFile(path, { [organisation]: set })));
  context.say(testsView(files));
  if (failedIn(files) > 0) throw new CogmeshError('failed_precondition', 'tests failed; nothing was pushed');
}

function showDifference(context: CliContext, { file, set, live }: Push): void {
  context.say(`${paint.bold(`epoch ${live.epoch}, in force`)} → ${paint.bold(file.path)}\n`);
  context.say(diffView(diffPolicySets(live.set, set), { before: live.set, after: set }));
}

function untouched(context: CliContext, changes: readonly Change[]): void {
  context.say(paint.dim('\nnothing was changed (--dry-run)'));
  context.emit({ dryRun: true, changes });
}

const noteOf = ({ note }: PushOptions) => (note === undefined ? {} : { note });

async function putInForce(context: CliContext, { set, live }: Push, options: PushOptions): Promise<void> {
  const { expectedEpoch: given } = options;
  const expectedEpoch = given === undefined ? live.epoch : numberOf(given, '--expected-epoch');
  const { epoch } = await context.client().putPolicies(set, { expectedEpoch, ...noteOf(options) });
  context.say(`\n${paint.green('✓')} epoch ${paint.bold(String(epoch))} is in force`);
  context.say(paint.dim(`  back to what it was: cogmesh policy rollback ${live.epoch}`));
  context.emit({ epoch, before: live.epoch });
}

async function putCandidate(context: CliContext, { set }: Push, options: PushOptions): Promise<void> {
  const candidate = await context.client().policies.putCandidate(set, noteOf(options));
  context.say(`\n${paint.green('✓')} candidate ${paint.bold(candidate.id)} is evaluated beside the set in force`);
  context.say(
    paint.dim('  what flips: cogmesh policy candidate     put it in force: cogmesh policy candidate promote'),
  );
  context.emit({ candidate });
}

export function addPolicyRollback(policy: Command, contextOf: WithContext): void {
  policy
    .command('rollback')
    .argument('<epoch>', 'epoch whose policies to put in force again; see cogmesh policy versions')
    .option('--dry-run', 'show the difference, change nothing')
    .description('put the policies of an older epoch in force again, as the next epoch; grants stay as they are')
    .action(async (text: string, { dryRun = false }: { dryRun?: boolean }, command: Command) => {
      const context = contextOf(command);
      const client = context.client();
      const toEpoch = numberOf(text, 'an epoch');
      const live = await readInForce(client);
      const older = parsePolicySet((await client.policies.version(toEpoch)).policySet);
      const after = { ...older, grants: live.set.grants };
      context.say(`${paint.bold(`epoch ${live.epoch}, in force`)} → ${paint.bold(`epoch ${toEpoch} again`)}\n`);
      context.say(diffView(diffPolicySets(live.set, after), { before: live.set, after }));
      if (dryRun) return untouched(context, diffPolicySets(live.set, after));
      const { epoch } = await client.policies.rollback(toEpoch, { expectedEpoch: live.epoch });
      context.say(
        `\n${paint.green('✓')} epoch ${paint.bold(String(epoch))} is in force, with the policies of ${toEpoch}`,
      );
      context.emit({ epoch, before: live.epoch, policiesOf: toEpoch });
    });
}
