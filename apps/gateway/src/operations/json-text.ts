/**
 * JSON text as a value, or `invalid_json` that says where. The engine's own messages carry a position only sometimes, so
 * the place is found by a second, slower reading that happens for bad text alone.
 */
import { CogmeshError } from '@cogmesh/errors';
import { maxJsonDepth, nestsTooDeep } from './json-depth.js';

/** Rejects with `invalid_json`; `position` counts from 0, `line` and `column` from 1. */
export function parseJson(text: string): unknown {
  if (nestsTooDeep(text)) throw new CogmeshError('invalid_json', `the body nests deeper than ${maxJsonDepth} levels`);
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    const position = errorPosition(text);
    const before = text.slice(0, position);
    const [line, column] = [before.split('\n').length, position - before.lastIndexOf('\n')];
    const found =
      position >= text.length
        ? 'the text ends too early'
        : `unexpected ${JSON.stringify(text.slice(position, position + 12))}`;
    const message = `the body is not JSON: ${found} at line ${line}, column ${column}`;
    throw new CogmeshError('invalid_json', message, { position, line, column }, { cause: thrown });
  }
}

const token =
  /(?<mark>[\{\}\[\],:])|(?<text>"[[^"\\\p{Cc}][\x7f-\x9f]]*(?:\\(?:["\\\/bfnrt]|u[0-9a-fA-F]{4})[[^"\\\p{Cc}][\x7f-\x9f]]*)*")|(?<scalar>(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+\-]?\d+)?|true|false|null)(?![\w.+\-]))/vy;
const blank = /[ \t\n\r]*/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or }' | ', or ]' | 'end';
type Step = Expected | 'open' | 'close' | 'value ends';

const value = { text: 'value ends', scalar: 'value ends', '{': 'open', '[': 'open' } as const;

/** JSON's grammar: what a token does where it stands; a token that is not listed may not stand there. */
const grammar: Readonly<Record<Expected, Readonly<Record<string, Step>>>> = {
  value,
  'value or ]': { ...value, ']': 'close' },
  key: { text: ':' },
  'key or }': { text: ':', '}': 'close' },
  ':': { ':': 'value' },
  ', or }': { ',': 'key', '}': 'close' },
  ', or ]': { ',': 'value', ']': 'close' },
  end: {},
};

/** Index of the first token that cannot stand where it stands; the text's length when it ends too early. */
function errorPosition(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  for (let at = 0; ; at = token.lastIndex) {
    blank.lastIndex = at;
    blank.exec(text);
    const start = blank.lastIndex;
    token.lastIndex = start;
    const found = token.exec(text)?.groups;
    const next: Expected | undefined = found && after(expected, tokenKind(found), open);
    if (next === undefined) return start;
    expected = next;
  }
}

const tokenKind = ({ mark, text }: Record<string, string | undefined>): string =>
  mark ?? (text === undefined ? 'scalar' : 'text');

/** What may follow the token; undefined when it may not stand here. Keeps `open` in step. */
function after(expected: Expected, kind: string, open: string[]): Expected | undefined {
  const step = grammar[expected][kind];
  if (step === 'open') {
    open.push(kind);
    return kind === '{' ? 'key or }' : 'value or ]';
  }
  if (step === 'close') open.pop();
  if (step !== 'close' && step !== 'value ends') return step;
  const around = open.at(-1);
  if (around === undefined) return 'end';
  return around === '{' ? ', or }' : ', or ]';
}
