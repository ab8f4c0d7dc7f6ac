/** The difference between two policy sets, for a person who has to say yes to it. */
import type { Change, FieldChange, PolicyDocument, PolicySet } from '@cogmesh/policy-core';
import { countOf } from '../policy/complaints.js';
import { paint } from './colours.js';
import { padTo } from './table.js';

const marks = { added: paint.green('+'), removed: paint.red('−'), changed: paint.yellow('~') };
const effects = {
  widens: paint.yellow('widens'),
  narrows: paint.cyan('narrows'),
  either: paint.yellow('changes who may'),
  none: paint.dim('changes no right'),
};

export interface Sets {
  readonly before: PolicySet;
  readonly after: PolicySet;
}

export function diffView(changes: readonly Change[], sets: Sets): string {
  if (changes.length === 0) return paint.dim('no difference');
  const width = Math.max(...changes.map(({ section, id }) => section.length + id.length + 2));
  return [...changes.map((change) => changeView(change, { width, sets })), '', summary(changes)].join('\n');
}

function changeView(change: Change, { width, sets }: { readonly width: number; readonly sets: Sets }): string {
  const { kind, section, id, fields, effect } = change;
  const name = padTo(`${paint.dim(section)} ${paint.bold(id)}`, width);
  const whole = kind === 'changed' ? undefined : ruleOf(change, sets);
  const about = whole === undefined ? '' : `  ${sentenceOf(whole)}`;
  const head = `${marks[kind]} ${name}  ${section === 'policy' ? effects[effect] : ''}${about}`.trimEnd();
  return [head, ...fields.flatMap(fieldLines)].join('\n');
}

function ruleOf({ kind, section, id }: Change, { before, after }: Sets): PolicyDocument | undefined {
  if (section !== 'policy') return undefined;
  return (kind === 'added' ? after : before).policies.find((rule) => rule.id === id);
}

function sentenceOf({ effect, permissions, resources, policy }: PolicyDocument): string {
  const verb = effect === 'allow' ? 'allows' : paint.red('denies');
  const when = policy === undefined ? paint.yellow('to everybody') : paint.dim(`when ${policy}`);
  return `${verb} ${permissions.join(', ')} on ${resources.join(', ')} ${when}`;
}

function fieldLines({ field, before, after, added = [], removed = [] }: FieldChange): string[] {
  const gone = before === undefined ? removed : [before];
  const come = after === undefined ? added : [after];
  const lines = [
    ...gone.map((one) => paint.red(`− ${text(one)}`)),
    ...come.map((one) => paint.green(`+ ${text(one)}`)),
  ];
  return lines.map((line, i) => `    ${padTo(i === 0 ? paint.dim(field) : '', 12)} ${line}`);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function summary(changes: readonly Change[]): string {
  const counts = (['added', 'removed', 'changed'] as const)
    .map((kind) => [changes.filter((one) => one.kind === kind).length, kind] as const)
    .filter(([n]) => n > 0)
    .map(([n, kind]) => `${n} ${kind}`);
  return `${countOf(changes.length, 'difference')}: ${counts.join(', ')}. ${meaning(changes)}`;
}

function meaning(changes: readonly Change[]): string {
  const real = new Set(changes.map(({ effect }) => effect).filter((effect) => effect !== 'none'));
  if (real.size === 0) return 'Nobody may do more or less than before.';
  if (real.size === 1 && real.has('narrows')) return 'It only takes rights away.';
  return real.size === 1 && real.has('widens') ? 'It only gives rights.' : 'It may give rights and take some away.';
}
