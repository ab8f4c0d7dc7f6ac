/**
 * Whether one glob covers everything that another does. Sound, not complete: true is always right; false may only mean
 * that it could not be shown. What a linter says about a rule must never be wrong, so it asks here.
 */
import { segmentsOf } from '../canonical-path.js';

interface Shape {
  readonly head: readonly string[];
  /** What follows the head: nothing, at least one segment, or any number. */
  readonly tail: 'none' | 'below' | 'here-and-below';
}

/** For globs as parsePolicySet accepts them. */
export function globCovers(wide: string, narrow: string): boolean {
  const w = shapeOf(wide);
  const n = shapeOf(narrow);
  if (w.tail === 'none' && (n.tail !== 'none' || w.head.length !== n.head.length)) return false;
  if (shortest(n) < shortest(w)) return false;
  return w.head.every((segment, i) => segmentCovers(segment, n.head[i] ?? '*'));
}

/** Whether every glob of `narrow` is covered by one of `wide`. */
export function globsCover(wide: readonly string[], narrow: readonly string[]): boolean {
  return narrow.every((inner) => wide.some((outer) => globCovers(outer, inner)));
}

/** Segments before the first wildcard. */
export function literalPrefix(glob: string): string[] {
  const segments = segmentsOf(glob);
  const wild = segments.findIndex((segment) => segment.includes('*'));
  return wild === -1 ? segments : segments.slice(0, wild);
}

function shapeOf(glob: string): Shape {
  const segments = segmentsOf(glob);
  const last = segments.at(-1);
  if (last === '**') return { head: segments.slice(0, -1), tail: 'here-and-below' };
  return last === '*' ? { head: segments.slice(0, -1), tail: 'below' } : { head: segments, tail: 'none' };
}

function shortest({ head, tail }: Shape): number {
  return head.length + (tail === 'below' ? 1 : 0);
}

function segmentCovers(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  const [prefix = '', suffix, ...more] = wide.split('*');
  if (suffix === undefined || more.length > 0) return false;
  const parts = narrow.split('*');
  const fixed = parts.join('').length;
  return (
    (parts[0] ?? '').startsWith(prefix) &&
    (parts.at(-1) ?? '').endsWith(suffix) &&
    fixed >= prefix.length + suffix.length
  );
}
