/**
 * Canonical resource names. Two spellings of one thing are how a check and the thing checked come apart, so there is one
 * spelling: `/a/b`, NFC, printable, no empty, `.` or `..` segment, no trailing slash, nothing percent-encoded. Anything
 * else is refused, never repaired.
 */
import { limits } from './limits.js';

/** Plain ASCII names need none of the Unicode checks. */
const plainPath = /^(?:\/[A-Za-z0-9_@:~,+=-][A-Za-z0-9_@:~,+=.-]*)+$/;
const plainGlob = /^(?:\/[A-Za-z0-9_@:~,+=*-][A-Za-z0-9_@:~,+=*.-]*)+$/;
/** `*` belongs to globs; `%`, `?`, `#`, `;` and backslash mean something else to an HTTP router. */
const forbidden = /[%?#;\\*]|\p{C}|\p{Z}/u;

/** Why the path is not canonical, or undefined when it is. */
export function pathProblem(path: string): string | undefined {
  if (path.length > limits.pathChars) return `longer than ${String(limits.pathChars)} characters`;
  if (!path.startsWith('/')) return 'does not start with "/"';
  return plainPath.test(path) ? segmentCountProblem(path) : textProblem(path, forbidden);
}

/** As pathProblem, for a glob, where `*` is allowed. */
export function globTextProblem(glob: string): string | undefined {
  if (glob.length > limits.globChars) return `longer than ${String(limits.globChars)} characters`;
  if (!glob.startsWith('/')) return 'does not start with "/"';
  return plainGlob.test(glob) ? segmentCountProblem(glob) : textProblem(glob.replaceAll('*', 'x'), forbidden);
}

function textProblem(path: string, forbiddenText: RegExp): string | undefined {
  const found = forbiddenText.exec(path);
  if (found !== null) return `contains ${JSON.stringify(found[0])}`;
  if (path.normalize('NFC') !== path) return 'is not in Unicode normalisation form C';
  for (const segment of path.split('/').slice(1)) {
    if (segment === '') return 'has an empty segment or a trailing slash';
    if (segment === '.' || segment === '..') return `has a "${segment}" segment`;
  }
  return segmentCountProblem(path);
}

function segmentCountProblem(path: string): string | undefined {
  let segments = 0;
  for (let slash = 0; slash !== -1; slash = path.indexOf('/', slash + 1)) segments++;
  return segments > limits.pathSegments ? `has more than ${String(limits.pathSegments)} segments` : undefined;
}

/** `/a/b` -> `['a', 'b']`. */
export function segmentsOf(path: string): string[] {
  return path.slice(1).split('/');
}
