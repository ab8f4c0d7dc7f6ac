/** What can be said of a value of which parts may not be known: true whatever they turn out to be, or `unknown`. */
export type Verdict = 'valid' | 'invalid' | 'unknown';

/** Stand in an input for what is not known yet: any JSON value, or a text. */
export const unknownValue: unique symbol = Symbol('a value that is not known yet');
export const unknownText: unique symbol = Symbol('a text that is not known yet');

export const of = (holds: boolean): Verdict => (holds ? 'valid' : 'invalid');

export function both(left: Verdict, right: Verdict): Verdict {
  if (left === 'invalid' || right === 'invalid') return 'invalid';
  return left === 'unknown' || right === 'unknown' ? 'unknown' : 'valid';
}

/** Of `valid` and `unknown` ones out of some, at least `min` and at most `max` must hold. */
export function within(
  counts: { readonly valid: number; readonly unknown: number },
  min: number,
  max: number,
): Verdict {
  const { valid, unknown } = counts;
  if (valid > max || valid + unknown < min) return 'invalid';
  return valid >= min && valid + unknown <= max ? 'valid' : 'unknown';
}
