/**
 * Regular expressions that a stranger may have run against a stranger's text: those that are matched in time that grows with
 * the text and no faster. Anchored at the start, a plain sequence of characters and classes, and what may repeat is followed by
 * what it cannot match itself, so that giving characters back never leads anywhere (or all that follows has a
 * small fixed length).
 */
import { inputSchemaLimits } from './limits.js';

interface Atom {
  readonly source: string;
  readonly min: number;
  readonly max: number;
}

const atom =
  /(?:\\[dDwWsS]|\\[\^$\\.*+?()[\]{}|/]|\[\^?(?:[^\\[\]]|\\[dDwWsS\^$\\.*+?()[\]{}|/-])+\]|[^\\^$.*+?()[\]{}|/]|\.|\/)/uy;
const quantifier = /(?:([?*+])|\{(\d{1,4})(?:(,)(\d{1,4})?)?\})\??/uy;

/** Why a pattern is refused; undefined for one that is safe. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > inputSchemaLimits.patternCharacters) {
    return `has ${pattern.length} characters, at most ${inputSchemaLimits.patternCharacters} are allowed`;
  }
  if (!pattern.startsWith('^')) return 'must begin with ^';
  const atoms = atomsOf(pattern);
  if (typeof atoms === 'string') return atoms;
  try {
    new RegExp(pattern, 'u');
  } catch {
    return 'is no regular expression';
  }
  const slow = atoms.find((each, index) => isAmbiguous(each, atoms.slice(index + 1)));
  return slow && `could take too long: what follows "${slow.source}" may match the same characters`;
}

function atomsOf(pattern: string): readonly Atom[] | string {
  const atoms: Atom[] = [];
  let at = 1;
  while (at < pattern.length) {
    if (pattern[at] === '$' && at === pattern.length - 1) break;
    atom.lastIndex = at;
    const source = atom.exec(pattern)?.[0];
    if (source === undefined) {
      return `must be a plain sequence of characters and classes; "${pattern.slice(at, at + 10)}" is not (no groups, alternatives or references)`;
    }
    at += source.length;
    quantifier.lastIndex = at;
    const repeat = quantifier.exec(pattern);
    at += repeat?.[0].length ?? 0;
    atoms.push({ source, ...timesOf(repeat) });
  }
  return atoms;
}

function timesOf(repeat: RegExpExecArray | null): Pick<Atom, 'min' | 'max'> {
  if (!repeat) return { min: 1, max: 1 };
  const [, sign, from, comma, to] = repeat;
  if (sign === '?') return { min: 0, max: 1 };
  if (sign !== undefined) return { min: sign === '+' ? 1 : 0, max: Infinity };
  const min = Number(from);
  if (comma === undefined) return { min, max: min };
  return { min, max: to === undefined ? Infinity : Number(to) };
}

const isFixed = ({ min, max }: Atom): boolean => min === max;

function isAmbiguous(each: Atom, rest: readonly Atom[]): boolean {
  if (isFixed(each) || isShort(rest)) return false;
  for (const next of rest) {
    if (overlaps(each, next)) return true;
    if (next.min > 0) return false;
  }
  return false;
}

/** Longest end, characters, that is tried again at each place where something before it may stop. */
const maxFixedEnd = 64;

const isShort = (atoms: readonly Atom[]): boolean =>
  atoms.every(isFixed) && atoms.reduce((sum, { min }) => sum + min, 0) <= maxFixedEnd;

const latin = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
/** Classes that may match characters beyond Latin-1. */
const isWide = ({ source }: Atom): boolean =>
  source === '.' || source.startsWith('[^') || /\\[DWS]/.test(source) || /[^\0-\xff]/.test(source);

function overlaps(left: Atom, right: Atom): boolean {
  if (isWide(left) && isWide(right)) return true;
  const [a, b] = [left, right].map(({ source }) => new RegExp(`^${source}$`, 'u')) as [RegExp, RegExp];
  return latin.some((character) => a.test(character) && b.test(character));
}
