import { Argument, type Command } from 'commander';
import { CogmeshError, type RevocationView, type RevokedThing } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';

const kinds = ['token', 'subject', 'issuer', 'grant', 'key'] as const;
const valueHelp = 'jti of the token, sub of the subject, id of the grant, kid of the key; nothing for an issuer';

interface ThingOptions {
  readonly issuer?: string;
}

/** `cogmesh revocations revoke | lift | list`. */
export function addRevocations(program: Command, contextOf: WithContext): void {
  const revocations = program
    .command('revocations')
    .description('take back tokens, subjects, issuers, grants and keys');
  named(revocations.command('revoke'))
    .option('--reason <text>', 'why, for people', '')
    .option('--until <time>', 'when the thing ends by itself (ISO 8601); default: for good')
    .description('revoke; in force everywhere within seconds')
    .action(async (kind: string, value: string | undefined, options: RevokeOptions, command: Command) => {
      const context = contextOf(command);
      const until = options.until === undefined ? {} : { until: timeOf(options.until) };
      const thing = await thingOf(context, { kind, value, options });
      const revoked = await context.client().revocations.revoke(thing, { reason: options.reason, ...until });
      context.say(`${paint.red('revoked')}  ${line(revoked)}`);
      context.emit(revoked);
    });
  named(revocations.command('lift'))
    .description('take a revocation back')
    .action(async (kind: string, value: string | undefined, options: ThingOptions, command: Command) => {
      const context = contextOf(command);
      const thing = await thingOf(context, { kind, value, options });
      await context.client().revocations.lift(thing);
      context.say(`${paint.green('lifted')}  ${line({ issuer: '', value: '', ...thing })}`);
      context.emit({ lifted: thing });
    });
  revocations
    .command('list')
    .description('what is revoked, newest first')
    .action(async (_options: unknown, command: Command) => list(contextOf(command)));
}

interface RevokeOptions extends ThingOptions {
  readonly reason: string;
  readonly until?: string;
}

const named = (command: Command): Command =>
  command
    .addArgument(new Argument('<kind>', 'what it is').choices(kinds))
    .argument('[value]', valueHelp)
    .option(
      '--issuer <iss>',
      'exact iss; default: the caller’s own; org:<organisation> for the key that signs its grants',
    );

async function list(context: CliContext): Promise<void> {
  const all: RevocationView[] = [];
  for (let pageToken: string | undefined; pageToken !== '';) {
    const page = await context.client().revocations.list(pageToken === undefined ? {} : { pageToken });
    all.push(...page.revocations);
    pageToken = page.nextPageToken;
  }
  for (const one of all)
    context.say(`${one.revokedAt}  ${line(one)}  ${paint.dim(`${one.reason} by ${one.revokedBy}`)}`);
  if (all.length === 0) context.say('nothing is revoked');
  context.emit({ revocations: all });
}

async function thingOf(
  context: CliContext,
  { kind, value = '', options }: { kind: string; value: string | undefined; options: ThingOptions },
): Promise<RevokedThing> {
  const known = kinds.find((one) => one === kind);
  if (known === undefined) throw new CogmeshError('invalid_argument', `kind is one of ${kinds.join(', ')}`);
  if (known === 'grant') return { kind: known, value };
  return { kind: known, issuer: options.issuer ?? (await context.client().whoami()).issuer, value };
}

function timeOf(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new CogmeshError('invalid_argument', `--until: "${text}" is no time`);
  return time;
}

const line = ({ kind, issuer, value }: Pick<RevocationView, 'kind' | 'issuer' | 'value'>): string =>
  [kind, value, issuer === '' ? '' : paint.dim(issuer)].filter((part) => part !== '').join(' ');
