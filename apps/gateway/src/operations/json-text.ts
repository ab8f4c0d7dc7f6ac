/**
 * JSON text as a value, or `invalid_json` that says where. The engine's own messages carry a position only sometimes, so
 * the place is found by a second, slower reading that happens for bad text alone.
 */
import { CogmeshError } from '@cogmesh/errors';

/** Rejects with `invalid_json`; `position` counts from 0, `line` and `column` from 1. */
export function parseJson(text: string): unknown {
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

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or close' | 'end';

/** Index of the first token that cannot stand where it stands; the text's length when it ends too early. */
function errorPosition(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  for (let at = 0; ; at = token.lastIndex) {
    blank.lastIndex = at;
    blank.exec(text);
    token.lastIndex = blank.lastIndex;
    const start = blank.lastIndex;
    const groups = token.exec(text)?.groups;
    const next: Expected | undefined = groups && after(expected, groups, open);
    if (next === undefined) return start;
    expected = next;
  }
}

/** What may follow; undefined when this token may not stand here. Keeps `open` in step. */
function after(expected: Expected, groups: Record<string, string | undefined>, open: string[]): Expected | undefined {
  const { mark, text, scalar } = groups;
  const afterValue = (): Expected => (open.length === 0 ? 'end' : ', or close');
  if (expected.startsWith('value') && (text ?? scalar) !== undefined) return afterValue();
  if (expected.startsWith('value') && (mark === '{' || mark === '[')) {
    open.push(mark);
    return mark === '{' ? 'key or }' : 'value or ]';
  }
  if (expected.startsWith('key') && text !== undefined) return ':';
  if (expected === ':' && mark === ':') return 'value';
  if (expected === ', or close' && mark === ',') return open.at(-1) === '{' ? 'key' : 'value';
  const closes = mark === (open.at(-1) === '{' ? '}' : ']') && (expected === ', or close' || expected.endsWith(mark));
  if (!closes || open.pop() === undefined) return undefined;
  return afterValue();
}
