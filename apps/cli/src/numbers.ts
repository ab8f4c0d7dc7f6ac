import { CogmeshError } from '@cogmesh/sdk';

/** A number that was typed. Rejects with `invalid_argument`. */
export function numberOf(text: string, what: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new CogmeshError('invalid_argument', `${what} is a number, not "${text}"`);
}

/** A time that was typed, ISO 8601. Rejects with `invalid_argument`. */
export function timeOf(text: string, what: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new CogmeshError('invalid_argument', `${what} is a time such as 2026-11-24T06:00:00Z, not "${text}"`);
}

/** `key=value`, repeated. Rejects with `invalid_argument`. */
export function labelsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new CogmeshError('invalid_argument', `write a label as key=value, not "${text}"`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Collects an option that may be repeated. */
export const collect = (text: string, earlier: readonly string[]): readonly string[] => [...earlier, text];
