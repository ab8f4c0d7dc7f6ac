import type { Command } from 'commander';
import { CogmeshError, type AuditAnchor, type AuditFilter } from '@cogmesh/sdk';
import { numberOf, timeOf } from '../numbers.js';
import { auditTable, verificationText } from '../output/audit-table.js';
import type { WithContext } from '../program.js';

interface ListOptions {
  readonly limit?: string;
  readonly after?: string;
  readonly before?: string;
  readonly cursor?: string;
  readonly sub?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly denied?: boolean;
  readonly cross?: boolean;
  readonly oldestFirst?: boolean;
}

export function addPolicyAudit(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  const audit = policy.command('audit').description('the decision log of the organisation');
  addList(audit, contextOf);
  audit
    .command('verify')
    .description('compute the hash chain of the decision log anew; exits with 1 at the first place that is wrong')
    .option('--known <position:hash>', 'what an earlier verification printed: the chain must still contain it')
    .action(async ({ known }: { known?: string }, command: Command) => {
      const context = contextOf(command);
      const verification = await context.client().audit.verify(known === undefined ? {} : { known: anchorOf(known) });
      context.say(verificationText(verification));
      context.emit(verification);
      if (verification.problem !== null) setExitCode(1);
    });
}

function addList(audit: Command, contextOf: WithContext): void {
  audit
    .command('list')
    .description('decisions about your people and about what your organisation owns, newest first')
    .option('--limit <n>', 'entries, at most 500 (default: 50)')
    .option('--after <time>', 'decided at or after, ISO 8601')
    .option('--before <time>', 'decided before')
    .option('--sub <subject>')
    .option('--action <action>')
    .option('--resource <path>', 'exact, or everything below when it ends with /')
    .option('--denied', 'only refusals')
    .option('--cross', 'only across organisations')
    .option('--oldest-first', 'in the order of the chain')
    .option('--cursor <cursor>', 'the next page, as the page before printed it')
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const page = await context.client().audit.list(filterOf(options));
      context.say(page.entries.length === 0 ? 'no entries' : auditTable(page.entries));
      if (page.nextCursor !== null) context.say(`more: --cursor ${page.nextCursor}`);
      context.emit(page);
    });
}

function filterOf({ limit, after, before, ...rest }: ListOptions): AuditFilter {
  return {
    ...rest,
    ...(limit === undefined ? {} : { limit: numberOf(limit, '--limit') }),
    ...(after === undefined ? {} : { after: timeOf(after, '--after') }),
    ...(before === undefined ? {} : { before: timeOf(before, '--before') }),
  };
}

function anchorOf(text: string): AuditAnchor {
  const [, position, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash !== undefined) return { position: Number(position), hash };
  throw new CogmeshError('invalid_argument', `--known is <position>:<hash> as verify prints it, not "${text}"`);
}
