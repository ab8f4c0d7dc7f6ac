/** Values of attributes and context as they may be logged: the names stay, a value only where its name is on the list. */
import { maskedDepthMax, maskedMaxChars, maskedNamesMax } from './limits.js';

/** What stands in place of a value that is not logged. */
export const maskedValue = '***';

export interface Mask {
  /** Names, at any depth, whose values are logged as they are. */
  readonly clearNames: ReadonlySet<string>;
}

/** Names beyond the limit are left out; an object that is too large even so is masked as a whole, under the name `*`. */
export function maskValues(values: Readonly<Record<string, unknown>>, mask: Mask): Record<string, unknown> {
  const masked = maskObject(values, mask, 1);
  const isSmall = Object.keys(masked).length === 0 || JSON.stringify(masked).length <= maskedMaxChars;
  return isSmall ? masked : { '*': maskedValue };
}

function maskObject(values: object, mask: Mask, depth: number): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values).slice(0, maskedNamesMax)) {
    // A plain assignment to `__proto__` would set the prototype.
    if (name !== '__proto__') masked[name] = maskValue(name, value, mask, depth);
  }
  return masked;
}

function maskValue(name: string, value: unknown, mask: Mask, depth: number): unknown {
  if (mask.clearNames.has(name)) return value;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && depth < maskedDepthMax ? maskObject(value, mask, depth + 1) : maskedValue;
}
