import { CogmeshError, type PolicyCandidateView, type PolicyVersionView } from '@cogmesh/sdk';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { numberOf } from '../numbers.js';
import { paint } from '../output/colours.js';
import { flipSummary, flipTable } from '../output/flip-table.js';
import { table } from '../output/table.js';
import { countOf } from '../policy/complaints.js';
import type { WithContext } from '../program.js';

export function addPolicyVersions(policy: Command, contextOf: WithContext): void {
  policy
    .command('versions')
    .argument('[epoch]', 'print the policy set of this epoch')
    .option('--limit <n>', 'versions to list (default: 50)')
    .description('every policy set the organisation had, newest first')
    .action(async (epoch: string | undefined, { limit }: { limit?: string }, command: Command) => {
      const context = contextOf(command);
      const client = context.client().policies;
      if (epoch !== undefined) {
        const held = await client.version(numberOf(epoch, 'an epoch'));
        context.say(JSON.stringify(held.policySet, null, 2));
        return context.emit(held);
      }
      const versions = await client.versions(limit === undefined ? {} : { limit: numberOf(limit, '--limit') });
      context.say(versionsTable(versions));
      context.emit({ versions });
    });
}

export function versionsTable(versions: readonly PolicyVersionView[]): string {
  const rows = versions.map(({ epoch, writtenAt, writtenBy, policies, grants, note, live }) => [
    live ? paint.green('● in force') : '',
    epoch,
    writtenAt ?? '',
    writtenBy,
    policies,
    grants,
    note,
  ]);
  return table(['', 'epoch', 'written', 'by', 'policies', 'grants', 'note'], rows);
}

export function addPolicyCandidate(policy: Command, contextOf: WithContext): void {
  const candidate = policy
    .command('candidate')
    .description('the policy set that is evaluated beside the one in force, and what it would decide otherwise')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const { candidate: held } = await context.client().policies.candidate();
      context.say(candidateView(held));
      context.emit(held);
    });
  candidate
    .command('drop')
    .description('end it')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      await context.client().policies.dropCandidate();
      context.say('the candidate is gone; nothing else changed');
      context.emit({ dropped: true });
    });
  candidate
    .command('promote')
    .argument('[id]', 'only if it is still this one')
    .option('--force', 'although it flips decisions')
    .description('put it in force')
    .action(async (id: string | undefined, { force = false }: { force?: boolean }, command: Command) => {
      await promote(contextOf(command), id, force);
    });
}

async function promote(context: CliContext, id: string | undefined, force: boolean): Promise<void> {
  const client = context.client();
  const [{ candidate }, live] = await Promise.all([client.policies.candidate(), client.getPolicies()]);
  const flips = candidate.flipsToDeny + candidate.flipsToAllow;
  if (flips > 0 && !force) {
    context.say(candidateView(candidate));
    const message = `it flips ${countOf(flips, 'decision')}; promote it with --force if that is meant`;
    throw new CogmeshError('failed_precondition', message, { flips });
  }
  const { epoch } = await client.policies.promote(id ?? candidate.id, { expectedEpoch: live.epoch });
  context.say(`${paint.green('✓')} epoch ${paint.bold(String(epoch))} is in force`);
  context.emit({ epoch, before: live.epoch });
}

export function candidateView(candidate: PolicyCandidateView): string {
  const { id, basedOnEpoch, writtenBy, writtenAt, note, compared, skipped, flips } = candidate;
  const { flipsToDeny: toDeny, flipsToAllow: toAllow } = candidate;
  const about = note === '' ? '' : `  ${note}`;
  const head = `${paint.bold(id)}  ${paint.dim(`put by ${writtenBy} at ${writtenAt ?? '?'}, against epoch ${basedOnEpoch}`)}${about}`;
  const missed = skipped === 0 ? '' : paint.dim(` (${skipped} came too fast to be compared)`);
  const sum =
    compared === 0
      ? 'no decision was made since'
      : `${countOf(compared, 'decision')} compared${missed}: ${flipSummary({ toDeny, toAllow })}`;
  return [head, '', ...(flips.length === 0 ? [] : [flipTable(flips), '']), sum].join('\n');
}
