/** JSON values and the few questions the scheduler asks of them. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a person would call the type of `value`. */
export function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/** The id of `{ "$blob": "blob_…" }`, or undefined for anything else. */
export function blobIdOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const id = value['$blob'];
  return typeof id === 'string' ? id : undefined;
}

/** Ids of every blob reference inside `value`, expressions excluded. */
export function blobIdsIn(value: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const element of value) blobIdsIn(element, found);
  else if (isJsonObject(value)) {
    const id = blobIdOf(value);
    if (id !== undefined && !id.includes('${{')) found.add(id);
    for (const element of Object.values(value)) blobIdsIn(element, found);
  }
  return found;
}
