/**
 * Request bodies of the Authorization API as I-JSON (RFC 7493): an object, every member name once, no number beyond a
 * double, no half of a surrogate pair. Two parsers must read the same question, or the decision is about another one than
 * the one that is enforced. The reading that finds a repeated name counts; only a bad text is read again to say which.
 */
import { CogmeshError } from '@cogmesh/errors';
import { parseStrictJson } from '@cogmesh/identity';
import { parseJson } from '../operations/json-text.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Objects and lists inside each other. */
const maxDepth = 32;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Rejects with `invalid_json` for text that is not I-JSON and with `invalid_argument` for what is no object. */
export function parseIJson(text: string): JsonObject {
  const value = parseJson(text);
  if (!isObject(value)) throw new CogmeshError('invalid_argument', 'the body must be a JSON object');
  const census = { members: 0, mayHoldHalves: text.includes('\\u') };
  count(value, census, 1);
  if (census.members !== memberNames(text)) throw repeatedName(text);
  return value;
}

interface Census {
  members: number;
  /** A lone surrogate can only arrive as an escape: the text itself was UTF-8. */
  readonly mayHoldHalves: boolean;
}

function count(value: unknown, census: Census, depth: number): void {
  if (typeof value === 'string') return assertWhole(value, census);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new CogmeshError('invalid_json', 'the body holds a number beyond what a double can hold');
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxDepth) throw new CogmeshError('invalid_json', `the body nests deeper than ${maxDepth} levels`);
  if (Array.isArray(value)) {
    for (const item of value) count(item, census, depth + 1);
    return;
  }
  // A parsed object has no members but its own; their entries as lists would cost more than the rest of the census.
  for (const name in value) {
    census.members += 1;
    assertWhole(name, census);
    count((value as JsonObject)[name], census, depth + 1);
  }
}

function assertWhole(text: string, { mayHoldHalves }: Census): void {
  if (mayHoldHalves && !text.isWellFormed())
    throw new CogmeshError('invalid_json', 'the body holds half of a surrogate pair');
}

/** Strings followed by a colon, in text that is JSON. */
function memberNames(text: string): number {
  let names = 0;
  for (let open = text.indexOf('"'); open !== -1;) {
    const close = endOfString(text, open);
    if (isFollowedByColon(text, close + 1)) names += 1;
    open = text.indexOf('"', close + 1);
  }
  return names;
}

function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

function isFollowedByColon(text: string, from: number): boolean {
  for (let at = from; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code === 0x3a;
  }
}

function repeatedName(text: string): CogmeshError {
  try {
    parseStrictJson(text);
    return new CogmeshError('invalid_json', 'an object of the body names a member twice');
  } catch (thrown) {
    return new CogmeshError('invalid_json', `the body is not I-JSON: ${(thrown as Error).message}`);
  }
}
