/**
 * How well a page was read: for each printed line the edit distance to its best match anywhere on the page, over all
 * printed characters. Compared after NFKC and without spaces, since recognisers disagree about both. A printed line may
 * have been found in several pieces side by side, so neighbouring lines count joined as well.
 */

/** Pieces of one printed line that are tried joined. */
const maxPieces = 8;

export interface LinePair {
  /** The printed line. */
  readonly truth: string;
  /** Its best match, when anything matches better than nothing. */
  readonly read: string | undefined;
  /** Edit distance between the two as compared; the line's length when nothing matches. */
  readonly errors: number;
}

/** `truth`: one printed line per line, order free. `lines`: what was read, in reading order. */
export function pairLines(truth: string, lines: readonly string[]): LinePair[] {
  const candidates = candidatesOf(lines);
  return printedLines(truth).map((line) => bestMatch(line, candidates));
}

/** 0 is perfect, 1 is nothing read. An empty truth has no rate: 0. */
export function characterErrorRate(truth: string, lines: readonly string[]): number {
  const characters = printedLines(truth).reduce((sum, line) => sum + normalise(line).length, 0);
  const errors = pairLines(truth, lines).reduce((sum, pair) => sum + pair.errors, 0);
  return characters === 0 ? 0 : errors / characters;
}

/** Edit distance by single insertions, deletions and substitutions (Levenshtein), in code points. */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  a.forEach((character, i) => {
    const next = [i + 1];
    b.forEach((other, j) => {
      const substitution = (row[j] ?? 0) + (character === other ? 0 : 1);
      next.push(Math.min(substitution, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    });
    row = next;
  });
  return row[b.length] ?? 0;
}

interface Candidate {
  readonly text: string;
  readonly characters: readonly string[];
}

function candidatesOf(lines: readonly string[]): Candidate[] {
  return lines.flatMap((_, start) =>
    Array.from({ length: Math.min(maxPieces, lines.length - start) }, (__, extra) => {
      const text = lines.slice(start, start + extra + 1).join(' ');
      return { text, characters: normalise(text) };
    }),
  );
}

function bestMatch(truth: string, candidates: readonly Candidate[]): LinePair {
  const wanted = normalise(truth);
  let best: LinePair = { truth, read: undefined, errors: wanted.length };
  for (const { text, characters } of candidates) {
    if (Math.abs(characters.length - wanted.length) >= best.errors) continue;
    const errors = editDistance(wanted, characters);
    if (errors < best.errors) best = { truth, read: text, errors };
  }
  return best;
}

function printedLines(truth: string): string[] {
  return truth
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => normalise(line).length > 0);
}

function normalise(text: string): string[] {
  return [...text.normalize('NFKC').replaceAll(/\s/gu, '')];
}
