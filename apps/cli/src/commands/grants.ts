import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CogmeshError, type GrantTermsDefinition, type GrantView } from '@cogmesh/sdk';
import { collect, numberOf } from '../numbers.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

interface TermsOptions {
  readonly to?: string;
  readonly action: readonly string[];
  readonly resource: readonly string[];
  readonly role: readonly string[];
  readonly attribute: readonly string[];
  readonly purpose?: string;
  readonly days: string;
  readonly delegable?: boolean;
  readonly signed?: string;
}

const dayMs = 86_400_000;

export function addGrants(program: Command, contextOf: WithContext): void {
  const grants = program
    .command('grants')
    .description('what organisations let each other use')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const found = await context.client().partners.grants();
      context.say(found.length === 0 ? 'no grants' : grantsTable(found));
      context.emit({ grants: found });
    });
  withTerms(grants.command('create').description('offer a grant on your resources'))
    .option('--delegable', 'it may be passed on once')
    .option('--signed <file>', 'a grant that the organisation signed itself, in place of all the others')
    .action(async (options: TermsOptions, command: Command) => {
      const context = contextOf(command);
      const grant =
        options.signed === undefined ? termsOf(options) : { jws: (await readFile(options.signed, 'utf8')).trim() };
      told(context, await context.client().partners.createGrant(grant));
    });
  withTerms(grants.command('delegate').argument('<id>').description('pass a part of a grant on')).action(
    async (id: string, options: TermsOptions, command: Command) => {
      const context = contextOf(command);
      told(context, await context.client().partners.delegateGrant(id, termsOf(options)));
    },
  );
  addEnds(grants, contextOf);
}

function addEnds(grants: Command, contextOf: WithContext): void {
  grants
    .command('accept')
    .argument('<id>')
    .description('accept a grant that your organisation was offered')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      told(context, await context.client().partners.acceptGrant(id));
    });
  grants
    .command('revoke')
    .argument('<id>')
    .option('--reason <text>', 'why, for the record', '')
    .description('end a grant for good, with all that was passed on from it')
    .action(async (id: string, { reason }: { readonly reason: string }, command: Command) => {
      const context = contextOf(command);
      told(context, await context.client().partners.revokeGrant(id, { reason }));
    });
}

function told(context: ReturnType<WithContext>, grant: GrantView): void {
  context.say(grantsTable([grant]));
  context.emit(grant);
}

function withTerms(command: Command): Command {
  return command
    .option('--to <organisation>', 'who may use it')
    .option('--action <action>', 'what they may do; may be repeated', collect, [])
    .option('--resource <glob>', 'with what, for example "/models/acme/*"; may be repeated', collect, [])
    .option('--role <role>', 'only this role of theirs counts; may be repeated', collect, [])
    .option('--attribute <name>', 'only this attribute of theirs counts; may be repeated', collect, [])
    .option('--purpose <text>', 'why')
    .option('--days <n>', 'how long, at most 90', '30');
}

function termsOf({
  to = '',
  purpose = '',
  action,
  resource,
  role,
  attribute,
  ...rest
}: TermsOptions): GrantTermsDefinition {
  if (to === '' || purpose === '' || action.length === 0 || resource.length === 0)
    throw new CogmeshError('invalid_argument', 'a grant needs --to, --action, --resource and --purpose');
  return {
    grantee: to,
    actions: action,
    resources: resource,
    purpose,
    ...(role.length === 0 ? {} : { roles: role }),
    ...(attribute.length === 0 ? {} : { attributes: attribute }),
    expiresAt: new Date(Date.now() + numberOf(rest.days, '--days') * dayMs),
    delegations: rest.delegable === true ? 1 : 0,
  };
}

export function grantsTable(grants: readonly GrantView[]): string {
  const rows = grants.map((grant) => [
    grant.id,
    grant.delegatedBy === null ? grant.grantor : `${grant.grantor} by ${grant.delegatedBy}`,
    grant.grantee,
    grant.actions.join(', '),
    grant.resources.join(', '),
    grant.expiresAt,
    grant.state,
  ]);
  return table(['grant', 'from', 'to', 'may', 'with', 'until', ''], rows);
}
