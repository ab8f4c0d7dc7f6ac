/**
 * Globs over canonical paths, compiled once to segments and matched without regular expressions, in time linear in the path.
 * `*` inside a path is exactly one segment, `ppocr-*` a part of one; a trailing `/*` is everything below, at any
 * depth; a trailing `/**` is that and the path itself.
 */
import { globTextProblem, segmentsOf } from './canonical-path.js';

/** Whether the glob goes on after its head, and if so whether the head itself belongs to it. */
type Tail = 'none' | 'below' | 'here-and-below';

export interface Glob {
  readonly text: string;
  /** Segments, each with or without stars, before the tail. */
  readonly head: readonly string[];
  readonly tail: Tail;
  matches(segments: readonly string[]): boolean;
}

/** Why the text is not a glob, or undefined when it is. */
export function globProblem(text: string): string | undefined {
  const problem = globTextProblem(text);
  if (problem !== undefined) return problem;
  const segments = segmentsOf(text);
  const stars = segments.findIndex((segment) => segment.includes('**'));
  if (stars === -1) return undefined;
  if (segments[stars] !== '**') return '"**" must be a whole segment';
  return stars === segments.length - 1 ? undefined : '"**" may only be the last segment';
}

/** Compiles a text for which globProblem is undefined. */
export function compileGlob(text: string): Glob {
  const all = segmentsOf(text);
  const last = all.at(-1);
  const tail: Tail = last === '**' ? 'here-and-below' : last === '*' ? 'below' : 'none';
  const head = tail === 'none' ? all : all.slice(0, -1);
  // An index reads the head alone.
  let matchers: readonly ((segment: string) => boolean)[] | undefined;
  return {
    text,
    head,
    tail,
    matches: (segments) =>
      fits(segments.length, head.length, tail) &&
      (matchers ??= head.map(compileSegment)).every((match, i) => match(segments[i] ?? '')),
  };
}

function fits(given: number, head: number, tail: Tail): boolean {
  if (tail === 'none') return given === head;
  return tail === 'below' ? given > head : given >= head;
}

/** One segment of a glob, in which `*` stands for any characters. */
export function compileSegment(pattern: string): (segment: string) => boolean {
  if (pattern === '*') return () => true;
  const parts = pattern.split('*');
  if (parts.length === 1) return (segment) => segment === pattern;
  const [first = '', ...middle] = parts;
  const last = middle.pop() ?? '';
  return (segment) => wildcardMatch(segment, { first, middle, last });
}

function wildcardMatch(
  segment: string,
  { first, middle, last }: { first: string; middle: readonly string[]; last: string },
): boolean {
  if (segment.length < first.length + last.length || !segment.startsWith(first) || !segment.endsWith(last))
    return false;
  const end = segment.length - last.length;
  let at = first.length;
  for (const part of middle) {
    const found = segment.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
