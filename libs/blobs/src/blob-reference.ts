/**
 * Blobs inside JSON: `{ "$blob": "blob_…", "mediaType"?: …, "bytes"?: n }`. Finding references is a security check (the
 * caller must be allowed to read each), so nothing is overlooked: a malformed id is reported like any other, and JSON
 * nested too deeply to be searched is refused.
 */
import { CogmeshError } from '@cogmesh/errors';

export interface BlobReference {
  readonly $blob: string;
  readonly mediaType?: string;
  readonly bytes?: number;
}

/** `blob_` and a ULID. */
const blobId = /^blob_[0-9A-Z]{26}$/;
/** Deepest JSON that is searched. */
const maxDepth = 500;

export const isBlobId = (id: string): boolean => blobId.test(id);

/** An object with a textual `$blob`; whether that is a well-formed id is for `isBlobId`. */
export function isBlobReference(value: unknown): value is BlobReference {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, '$blob') &&
    typeof (value as BlobReference).$blob === 'string'
  );
}

/** The reference to a stored blob, as it stands in inputs and outputs. */
export function blobReference(
  id: string,
  about: { readonly mediaType?: string; readonly bytes?: number } = {},
): BlobReference {
  return {
    $blob: id,
    ...(about.mediaType === undefined ? {} : { mediaType: about.mediaType }),
    ...(about.bytes === undefined ? {} : { bytes: about.bytes }),
  };
}

/** Every distinct `$blob` in the value, in order of appearance. Throws `invalid_input` when it is nested beyond 500 levels. */
export function blobIdsIn(json: unknown): string[] {
  const found = new Set<string>();
  const toVisit = [{ value: json, depth: 0 }];
  for (let next = toVisit.pop(); next; next = toVisit.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > maxDepth)
      throw new CogmeshError('invalid_input', `JSON is nested deeper than ${maxDepth} levels`, { maxDepth });
    if (isBlobReference(value)) found.add(value.$blob);
    const nested = Object.values(value).filter((child) => typeof child === 'object' && child !== null);
    for (const child of nested.toReversed()) toVisit.push({ value: child, depth: depth + 1 });
  }
  return [...found];
}
