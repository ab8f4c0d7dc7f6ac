/** What each keyword takes, and where it goes. One that is not listed here is refused, since its meaning would be lost. */
import type { Choices, Rules, TypeName } from './rules.js';
import { patternProblem } from './safe-pattern.js';
import { canonical } from './canonical.js';

export interface KeywordReader {
  problem(path: string, message: string): void;
  /** Answers empty rules for what is none, after telling the problem. */
  schema(value: unknown, path: string): Rules;
  target(reference: string, path: string): Rules | undefined;
}

export interface Setting {
  readonly keyword: string;
  readonly setting: unknown;
  readonly path: string;
}

type Read = (reader: KeywordReader, rules: Rules, setting: Setting) => void;

/** Says something to people or tools, nothing about validity; `$defs` are read where something points at them. */
const annotations = new Set([
  '$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'deprecated',
  'readOnly', 'writeOnly', 'format', 'contentEncoding', 'contentMediaType',
]); // prettier-ignore

const dialect = 'https://json-schema.org/draft/2020-12/schema';

export function readKeyword(reader: KeywordReader, rules: Rules, at: Setting): void {
  const { keyword, setting, path } = at;
  const read = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
  if (read) return read(reader, rules, at);
  if (!annotations.has(keyword) || (keyword === '$id' && path !== keyword))
    return reader.problem(path, `is a keyword that is not supported here`);
  if (keyword === '$schema' && String(setting).replace(/#$/, '') !== dialect)
    reader.problem(path, `must be "${dialect}"`);
}

const typeNames: ReadonlySet<string> = new Set<TypeName>([
  'null',
  'boolean',
  'integer',
  'number',
  'string',
  'array',
  'object',
]);

type NumberField = 'minimum' | 'exclusiveMinimum' | 'maximum' | 'exclusiveMaximum';

function number(field: NumberField): Read {
  return (reader, rules, { setting, path }) => {
    if (typeof setting === 'number') rules[field] = setting;
    else reader.problem(path, 'must be a number');
  };
}

type CountField = {
  [K in keyof Rules]-?: NonNullable<Rules[K]> extends number ? K : never;
}[keyof Rules];

function count(field: CountField): Read {
  return (reader, rules, { setting, path }) => {
    if (typeof setting === 'number' && Number.isInteger(setting) && setting >= 0) rules[field] = setting;
    else reader.problem(path, 'must be a whole number from 0');
  };
}

type OneField = 'additionalProperties' | 'propertyNames' | 'items' | 'contains' | 'not' | 'if' | 'then' | 'else';

function one(field: OneField): Read {
  return (reader, rules, { setting, path }) => {
    rules[field] = reader.schema(setting, path);
  };
}

type ListField = 'anyOf' | 'oneOf' | 'prefixItems';

function list(field: ListField): Read {
  return (reader, rules, { setting, path }) => {
    rules[field] = listOf(reader, setting, path);
  };
}

function listOf(reader: KeywordReader, setting: unknown, path: string): Rules[] {
  if (Array.isArray(setting) && setting.length > 0)
    return setting.map((each, index) => reader.schema(each, `${path}[${index}]`));
  reader.problem(path, 'must be a list of schemas');
  return [];
}

function entriesOf(reader: KeywordReader, setting: unknown, path: string): [string, unknown][] {
  if (typeof setting === 'object' && setting !== null && !Array.isArray(setting)) return Object.entries(setting);
  reader.problem(path, 'must be an object');
  return [];
}

function map(field: 'properties' | 'dependentSchemas'): Read {
  return (reader, rules, { setting, path }) => {
    const entries = entriesOf(reader, setting, path);
    rules[field] = new Map(entries.map(([name, each]) => [name, reader.schema(each, `${path}.${name}`)]));
  };
}

function textsOf(reader: KeywordReader, setting: unknown, path: string): string[] {
  if (Array.isArray(setting) && setting.every((each) => typeof each === 'string')) return setting;
  reader.problem(path, 'must be a list of names');
  return [];
}

function patternOf(reader: KeywordReader, pattern: unknown, path: string): RegExp | undefined {
  const problem = typeof pattern === 'string' ? patternProblem(pattern) : 'must be a regular expression';
  if (problem === undefined) return new RegExp(pattern as string, 'u');
  reader.problem(path, problem);
  return undefined;
}

const keywords: Readonly<Record<string, Read>> = {
  type: (reader, rules, { setting, path }) => {
    const names: unknown[] = Array.isArray(setting) ? setting : [setting];
    if (names.length > 0 && names.every((name) => typeNames.has(name as string)))
      rules.types = new Set(names as TypeName[]);
    else reader.problem(path, `must be one or more of ${[...typeNames].join(', ')}`);
  },
  enum: (reader, rules, { setting, path }) => {
    if (Array.isArray(setting) && setting.length > 0) rules.choices = chosen(rules, setting);
    else reader.problem(path, 'must be a list of values');
  },
  const: (_reader, rules, { setting }) => {
    rules.choices = chosen(rules, [setting]);
  },
  multipleOf: (reader, rules, { setting, path }) => {
    if (typeof setting === 'number' && setting > 0) rules.multipleOf = setting;
    else reader.problem(path, 'must be a number above 0');
  },
  minimum: number('minimum'),
  exclusiveMinimum: number('exclusiveMinimum'),
  maximum: number('maximum'),
  exclusiveMaximum: number('exclusiveMaximum'),
  minLength: count('minLength'),
  maxLength: count('maxLength'),
  pattern: (reader, rules, { setting, path }) => {
    const pattern = patternOf(reader, setting, path);
    if (pattern) rules.pattern = pattern;
  },
  minItems: count('minItems'),
  maxItems: count('maxItems'),
  uniqueItems: (reader, rules, { setting, path }) => {
    if (setting === true) rules.uniqueItems = true;
    else if (setting !== false) reader.problem(path, 'must be true or false');
  },
  prefixItems: list('prefixItems'),
  items: one('items'),
  contains: one('contains'),
  minContains: count('minContains'),
  maxContains: count('maxContains'),
  minProperties: count('minProperties'),
  maxProperties: count('maxProperties'),
  required: (reader, rules, { setting, path }) => {
    rules.required = textsOf(reader, setting, path);
  },
  properties: map('properties'),
  patternProperties: (reader, rules, { setting, path }) => {
    rules.patternProperties = entriesOf(reader, setting, path).flatMap(([source, each]) => {
      const pattern = patternOf(reader, source, `${path}.${source}`);
      return pattern ? [[pattern, reader.schema(each, `${path}.${source}`)] as const] : [];
    });
  },
  additionalProperties: one('additionalProperties'),
  propertyNames: one('propertyNames'),
  dependentRequired: (reader, rules, { setting, path }) => {
    const entries = entriesOf(reader, setting, path);
    rules.dependentRequired = new Map(entries.map(([name, each]) => [name, textsOf(reader, each, `${path}.${name}`)]));
  },
  dependentSchemas: map('dependentSchemas'),
  $ref: (reader, rules, { setting, path }) => {
    const target = typeof setting === 'string' ? reader.target(setting, path) : undefined;
    if (target) rules.allOf = [...(rules.allOf ?? []), target];
    else if (typeof setting !== 'string') reader.problem(path, 'must be a text');
  },
  allOf: (reader, rules, { setting, path }) => {
    rules.allOf = [...(rules.allOf ?? []), ...listOf(reader, setting, path)];
  },
  anyOf: list('anyOf'),
  oneOf: list('oneOf'),
  not: one('not'),
  if: one('if'),
  then: one('then'),
  else: one('else'),
};

/** `enum` beside `const`: only what both allow. */
function chosen({ choices }: Rules, next: readonly unknown[]): Choices {
  const texts = next.map((value) => canonical(value, () => {}) ?? '');
  const isBoth = (index: number): boolean => choices === undefined || choices.texts.has(texts[index] ?? '');
  return {
    values: next.filter((_, index) => isBoth(index)),
    texts: new Set(texts.filter((_, index) => isBoth(index))),
  };
}
