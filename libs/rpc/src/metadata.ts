import { Metadata } from '@grpc/grpc-js';

/** First textual value of each name; names are lower-case already. Binary metadata is not for handlers. */
export function firstValues(metadata: Metadata): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(metadata.getMap()).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

export function toMetadata(values: Readonly<Record<string, string | undefined>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) metadata.set(name, value);
  return metadata;
}
