/** The path of a request target, in the one spelling that policies know; any other is refused, never repaired. */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { parseResourcePath } from '@cogmesh/policy-core';

/**
 * `/api/v1/reports/7?x=1` -> `/api/v1/reports/7`. Throws `invalid_argument` for what is not in origin form, has a fragment, or whose path is not
 * canonical: empty and dot segments, a trailing slash, anything percent-encoded. `/` itself names nothing and is refused with the rest.
 */
export function canonicalTarget(target: string): string {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (target.includes('#')) throw refused('it contains "#"');
  try {
    parseResourcePath(path);
  } catch (thrown) {
    throw refused(toCogmeshError(thrown).message);
  }
  return path;
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('invalid_argument', `the path is not in its one canonical spelling: ${why}`);
