/** Names of models as callers write them, `acme/ppocr-detect@^4`, and the choice of a version among those that exist. */
import { CogmeshError } from '@cogmesh/errors';
import semver from 'semver';

export interface ModelReference {
  /** `<organisation>/<name>`. */
  readonly name: string;
  /** A version range; `*` when the caller named none. */
  readonly range: string;
}

/** Reads `<organisation>/<name>[@range]`; `invalid_argument` for anything else. */
export function parseModelReference(text: string): ModelReference {
  const match = /^([a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9._-]{0,62})(?:@(.{1,100}))?$/.exec(text);
  const range = match?.[2] ?? '*';
  if (!match?.[1] || semver.validRange(range) === null) {
    throw new CogmeshError(
      'invalid_argument',
      `"${text.slice(0, 200)}" is not a model: <organisation>/<name>[@range]`,
      { model: text.slice(0, 200) },
    );
  }
  return { name: match[1], range };
}

/** The highest version in the range, pre-releases only when the range names one; undefined when none fits. */
export function resolveVersion(versions: readonly string[], range: string): string | undefined {
  return semver.maxSatisfying([...versions], range) ?? undefined;
}
