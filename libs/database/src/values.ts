/**
 * Which values may cross into SQL, the same in both dialects: text without NUL and lone surrogates (PostgreSQL cannot
 * store them), integers up to 2^53 - 1, finite floats, bytes, null; booleans become 0/1. All else is `invalid_argument`.
 */
import { CogmeshError } from '@cogmesh/errors';

/** What a parameter is after the check. */
export type SqlValue = null | string | number | Uint8Array;

const invalid = (message: string) => new CogmeshError('invalid_argument', message);

/** The text itself, or `invalid_argument`. */
export function checkedText(value: string): string {
  if (value.includes('\0')) throw invalid('text for the database contains a NUL character');
  if (!value.isWellFormed()) throw invalid('text for the database contains half a surrogate pair');
  return value;
}

/** The number itself, or `invalid_argument` when it is not finite or an integer beyond 2^53 - 1. */
export function checkedNumber(value: number): number {
  if (!Number.isFinite(value)) throw invalid(`${value} is not a number a database can hold`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw invalid(`integer ${value} is beyond 2^53 - 1`);
  return value;
}

/** A value from a `sql` tag as a parameter. */
export function checkedValue(value: unknown): SqlValue {
  switch (typeof value) {
    case 'string':
      return checkedText(value);
    case 'number':
      return checkedNumber(value);
    case 'bigint':
      return checkedNumber(Number(value));
    case 'boolean':
      return value ? 1 : 0;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw invalid(
        `a ${value === undefined ? 'missing value' : typeof value} cannot be a parameter; JSON goes through json()`,
      );
  }
}

/** NUL and surrogate escapes; well-formed text needs neither, so they are rare enough to look at twice. */
const suspiciousEscape = /\\u(?:0000|d[89a-f])/i;

/** JSON text that jsonb and SQLite both accept, or `invalid_argument`. */
export function checkedJsonText(text: string): string {
  checkedText(text);
  if (suspiciousEscape.test(text)) checkStrings(JSON.parse(text));
  return text;
}

/** JSON text of a value; undefined is SQL's NULL, null is JSON's. */
export function jsonTextOf(value: unknown): string | null {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : checkedJsonText(text);
}

function checkStrings(value: unknown): void {
  if (typeof value === 'string') checkedText(value);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    checkedText(key);
    checkStrings(item);
  }
}
