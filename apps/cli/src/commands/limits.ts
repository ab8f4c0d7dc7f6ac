import type { Command } from 'commander';
import { CogmeshError, type LimitsView, type ScopeKind, type ScopeView } from '@cogmesh/sdk';
import { numberOf } from '../numbers.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

const kinds: readonly ScopeKind[] = ['organisation', 'capability', 'group'];
const options: readonly (readonly [flag: string, field: keyof LimitsView, help: string])[] = [
  ['--max-in-flight <n>', 'maxInFlight', 'attempts at once'],
  ['--rate <n>', 'ratePerSecond', 'starts per second'],
  ['--burst <n>', 'burst', 'starts that may come at once'],
  ['--max-queued <n>', 'maxQueued', 'unfinished tasks of an organisation'],
  ['--weight <n>', 'weight', 'share between organisations (administrators of the host)'],
  ['--service-class <n>', 'serviceClass', 'higher first across organisations (administrators of the host)'],
  ['--parts <n>', 'parts', 'shards an organisation is spread over (administrators of the host)'],
];
/** Where commander keeps `--rate`: its name differs from the field's. */
const keyOf = (field: keyof LimitsView) => (field === 'ratePerSecond' ? 'rate' : field);

type SetOptions = Readonly<Record<string, string | boolean | undefined>>;

export function addLimits(program: Command, contextOf: WithContext): void {
  const limits = program
    .command('limits')
    .description('limits, pauses and use of the organisation and its groups')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const scopes = await context.client().scheduling.limits();
      context.say(scopes.length === 0 ? 'no limits' : limitsTable(scopes));
      context.emit({ scopes });
    });
  const set = limits
    .command('set')
    .argument('<kind>', kinds.join(', '))
    .argument('<name>', 'the organisation, the capability or the group')
    .description('replace the limits of a scope: what is left out has no limit')
    .option('--pause', 'nothing of it starts until it is set again without this');
  for (const [flag, , help] of options) set.option(flag, help);
  set.action(async (kind: string, name: string, given: SetOptions, command: Command) => {
    const context = contextOf(command);
    const wanted = { limits: limitsOf(given), paused: given['pause'] === true };
    const scope = await context.client().scheduling.setLimits(kindOf(kind), name, wanted);
    context.say(limitsTable([scope]));
    context.emit(scope);
  });
}

function kindOf(text: string): ScopeKind {
  const kind = kinds.find((one) => one === text);
  if (kind !== undefined) return kind;
  throw new CogmeshError('invalid_argument', `a kind is ${kinds.join(', ')}, not "${text}"`);
}

const limitsOf = (given: SetOptions): Partial<LimitsView> =>
  Object.fromEntries(
    options.flatMap(([flag, field]) => {
      const text = given[keyOf(field)];
      return typeof text === 'string' ? [[field, numberOf(text, flag)]] : [];
    }),
  );

/** No limit is a dash. */
export function limitsTable(scopes: readonly ScopeView[]): string {
  const limit = (value: number) => (value === 0 ? '–' : value);
  const rows = scopes.map(({ kind, name, limits, usage, paused }) => [
    kind,
    name,
    `${usage?.inFlight ?? 0} of ${limit(limits.maxInFlight)}`,
    `${usage?.queued ?? 0} of ${limit(limits.maxQueued)}`,
    limits.ratePerSecond === 0 ? '–' : `${limits.ratePerSecond}/s, ${limits.burst} at once`,
    limits.weight || 1,
    limits.serviceClass,
    paused ? 'paused' : '',
  ]);
  return table(['kind', 'name', 'in flight', 'queued', 'rate', 'weight', 'class', ''], rows);
}
