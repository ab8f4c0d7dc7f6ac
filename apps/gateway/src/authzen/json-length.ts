/**
 * Whether a value is short as JSON, for the most part without writing it: its texts can at most grow sixfold by escapes, and
 * what is still short then needs no closer look.
 */

/** Characters that JSON can make of one: `\\u0000`. */
const escapedChars = 6;
/** Longest a number, `true`, `false` or `null` is. */
const scalarChars = 25;
/** Quotes, colon and comma around a member; brackets and comma of a list. */
const aroundChars = 4;

/** Values as JSON.parse makes them. */
export function jsonLengthWithin(value: unknown, maxChars: number): boolean {
  return upperBound(value) <= maxChars || JSON.stringify(value).length <= maxChars;
}

function upperBound(value: unknown): number {
  if (typeof value === 'string') return value.length * escapedChars + aroundChars;
  if (typeof value !== 'object' || value === null) return scalarChars;
  let sum = aroundChars;
  if (Array.isArray(value)) for (const item of value) sum += upperBound(item) + 1;
  else for (const [name, member] of Object.entries(value)) sum += name.length * escapedChars + aroundChars + upperBound(member); // prettier-ignore
  return sum;
}
