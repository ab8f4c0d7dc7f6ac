import { z } from 'zod';

/** Schemas of setting texts that recur: each takes the variable's text and yields a typed value. */

/** A whole number with bounds and default. */
export const integer = (bounds: { min: number; max: number; default: number }) =>
  z.coerce.number().int().min(bounds.min).max(bounds.max).default(bounds.default);

/** `1`, `true`, `yes` or `0`, `false`, `no`. */
export const flag = (fallback: boolean) =>
  z.stringbool({ truthy: ['1', 'true', 'yes'], falsy: ['0', 'false', 'no'] }).default(fallback);

/** Text with a default; an unset variable yields the default. */
export const text = (fallback: string) => z.string().default(fallback);

/** A comma-separated list, blanks trimmed, empties dropped. */
export const list = (fallback: readonly string[]) =>
  z
    .string()
    .default(fallback.join(','))
    .transform((value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    );
