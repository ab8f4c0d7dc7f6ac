import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CogmeshError, type IssuerDefinition, type IssuerView } from '@cogmesh/sdk';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addIssuers(program: Command, contextOf: WithContext): void {
  const issuers = program
    .command('issuers')
    .description('whose tokens are accepted for the organisation')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const found = await context.client().partners.issuers();
      context.say(found.length === 0 ? 'no issuers' : issuersTable(found));
      context.emit({ issuers: found });
    });
  issuers
    .command('put')
    .argument('<file>', 'JSON with issuer, jwksUri or jwks, audience, allowedRoles … (docs/guides/policies.md)')
    .description('register an issuer, or replace its record')
    .action(async (file: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const kept = await context.client().partners.putIssuer(await issuerIn(file));
      context.say(issuersTable([kept]));
      context.emit(kept);
    });
  for (const [name, description] of [
    ['suspend', 'refuse its tokens until it is resumed'],
    ['resume', 'accept its tokens again'],
  ] as const)
    issuers
      .command(name)
      .argument('<issuer>', 'exact iss')
      .description(description)
      .action(async (issuer: string, _options: unknown, command: Command) => {
        const context = contextOf(command);
        const { partners } = context.client();
        const kept = await (name === 'suspend' ? partners.suspendIssuer(issuer) : partners.resumeIssuer(issuer));
        context.say(issuersTable([kept]));
        context.emit(kept);
      });
  issuers
    .command('delete')
    .argument('<issuer>', 'exact iss')
    .description('remove an issuer')
    .action(async (issuer: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      await context.client().partners.deleteIssuer(issuer);
      context.say(`${issuer} is gone`);
      context.emit({ deleted: issuer });
    });
}

async function issuerIn(file: string): Promise<IssuerDefinition> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as IssuerDefinition;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CogmeshError('invalid_argument', `${file} cannot be read as JSON: ${why}`, {}, { cause });
  }
}

export function issuersTable(issuers: readonly IssuerView[]): string {
  const rows = issuers.map(({ issuer, organisation, jwksUri, allowedRoles = [], suspended }) => [
    issuer,
    organisation,
    jwksUri ?? 'in the record',
    allowedRoles.join(', ') || '–',
    suspended ? 'suspended' : '',
  ]);
  return table(['issuer', 'organisation', 'keys', 'roles', ''], rows);
}
