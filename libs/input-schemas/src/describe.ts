/** Values and expectations in a person's words. */
import type { Rules, TypeName } from './rules.js';
import { unknownText, unknownValue } from './verdict.js';

const typeWords: Readonly<Record<TypeName, string>> = {
  null: 'null',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  array: 'a list',
  object: 'an object',
};

const maxShown = 60;
const maxChoices = 10;

export function typesInWords(types: ReadonlySet<TypeName>): string {
  return [...types].map((type) => typeWords[type]).join(' or ');
}

export function valueInWords(value: unknown): string {
  if (value === unknownText) return 'a text';
  if (value === unknownValue) return 'not known yet';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  return value.length > maxShown ? `the text "${value.slice(0, maxShown)}…"` : `the text ${JSON.stringify(value)}`;
}

export function choicesInWords(choices: readonly unknown[]): string {
  const shown = choices.slice(0, maxChoices).map((choice) => clip(JSON.stringify(choice)));
  const more = choices.length > maxChoices ? `, … (${choices.length - maxChoices} more)` : '';
  return shown.join(', ') + more;
}

/** What a property must be, as far as one phrase can say; empty when its rules say nothing so simple. */
export function expectationInWords({ types, choices }: Rules): string {
  if (choices)
    return choices.values.length === 1 ? choicesInWords(choices.values) : `one of ${choicesInWords(choices.values)}`;
  return types ? typesInWords(types) : '';
}

const clip = (text: string): string => (text.length > maxShown ? `${text.slice(0, maxShown)}…` : text);
