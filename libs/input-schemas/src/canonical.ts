/** Equality of JSON values: the order of an object's keys says nothing. */
import { unknownText, unknownValue } from './verdict.js';

/** Equal values have equal texts. Undefined when part of the value is not known. `spend` is told the size of each part. */
export function canonical(value: unknown, spend: (steps: number) => void): string | undefined {
  if (value === unknownValue || value === unknownText) return undefined;
  if (typeof value === 'string') spend(1 + value.length / charactersPerStep);
  else spend(1);
  if (Array.isArray(value))
    return joined(
      value.map((each) => canonical(each, spend)),
      '[',
      ']',
    );
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, each]) => {
      const text = canonical(each, spend);
      return text === undefined ? undefined : `${JSON.stringify(key)}:${text}`;
    });
  return joined(members, '{', '}');
}

/** Looking at this many characters of a text counts as one step. */
export const charactersPerStep = 64;

function joined(texts: readonly (string | undefined)[], open: string, close: string): string | undefined {
  return texts.includes(undefined) ? undefined : open + texts.join(',') + close;
}
