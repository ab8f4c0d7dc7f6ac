import { charactersPerStep } from './canonical.js';
import type { Findings } from './findings.js';
import type { Judge } from './judge.js';
import type { Rules } from './rules.js';
import { unknownText, type Verdict } from './verdict.js';

/** How far a quotient may be from a whole number by rounding alone. */
const rounding = 1e-9;

export function judgeNumber(rules: Rules, value: number, findings: Findings): Verdict {
  let isRight = true;
  const must = (holds: boolean, expected: string): void => {
    if (holds) return;
    isRight = false;
    findings.add('out_of_range', `must be ${expected}, is ${value}`);
  };
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = rules;
  if (minimum !== undefined) must(value >= minimum, `at least ${minimum}`);
  if (maximum !== undefined) must(value <= maximum, `at most ${maximum}`);
  if (exclusiveMinimum !== undefined) must(value > exclusiveMinimum, `more than ${exclusiveMinimum}`);
  if (exclusiveMaximum !== undefined) must(value < exclusiveMaximum, `less than ${exclusiveMaximum}`);
  if (multipleOf !== undefined) must(isMultiple(value, multipleOf), `a multiple of ${multipleOf}`);
  return isRight ? 'valid' : 'invalid';
}

function isMultiple(value: number, of: number): boolean {
  const quotient = value / of;
  return Math.abs(quotient - Math.round(quotient)) <= rounding * Math.max(1, Math.abs(quotient));
}

export function judgeText(
  judge: Judge,
  { rules, value, findings }: { readonly rules: Rules; readonly value: unknown; readonly findings: Findings },
): Verdict {
  const { minLength, maxLength, pattern } = rules;
  if (minLength === undefined && maxLength === undefined && pattern === undefined) return 'valid';
  if (value === unknownText || typeof value !== 'string') return 'unknown';
  judge.spend(value.length / charactersPerStep);
  const length = [...value].length;
  let isRight = true;
  const must = (holds: boolean, message: string): void => {
    if (holds) return;
    isRight = false;
    findings.add('invalid_text', message);
  };
  must(minLength === undefined || length >= minLength, `must have at least ${minLength} characters, has ${length}`);
  must(maxLength === undefined || length <= maxLength, `must have at most ${maxLength} characters, has ${length}`);
  must(pattern === undefined || pattern.test(value), `must match ${pattern?.source}`);
  return isRight ? 'valid' : 'invalid';
}
