/**
 * Which statements the server keeps prepared: texts seen again and again, up to a number, so that statements whose text
 * depends on their parameters' count cannot fill the server's memory. The name follows from the text: it is the same on
 * every connection.
 */
import { createHash } from 'node:crypto';

/** A text is prepared from its third use on. */
const usesBefore = 2;
/** Prepared texts per process; each connection prepares what it uses. */
const maxPrepared = 200;
/** Texts whose uses are counted. */
const maxCounted = 1_000;

const names = new Map<string, string>();
const uses = new Map<string, number>();

/** Undefined: send it unprepared. Only plain statements with parameters are worth a name. */
export function preparedName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined) return known;
  if (names.size >= maxPrepared || !text.includes('$1')) return undefined;
  const seen = uses.get(text) ?? 0;
  if (seen < usesBefore) {
    if (uses.size >= maxCounted) uses.clear();
    uses.set(text, seen + 1);
    return undefined;
  }
  uses.delete(text);
  const name = `c${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
  names.set(text, name);
  return name;
}
