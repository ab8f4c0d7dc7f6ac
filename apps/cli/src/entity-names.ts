/** Entities as they are typed: `user:alice`, `record:101`, `/models/acme/ppocr-detect`. */
import { CogmeshError } from '@cogmesh/sdk';

export interface EntityName {
  readonly type: string;
  readonly id: string;
}

const typeOfCollection: Readonly<Record<string, string>> = {
  models: 'model',
  tools: 'tool',
  runs: 'run',
  blobs: 'blob',
  agents: 'agent',
  policies: 'policy',
};

/** `/models/acme/x` is the entity `{ type: "model", id: "acme/x" }`; what is no collection of ours is a `path`. */
export function entityOfPath(path: string): EntityName {
  const [, collection, ...rest] = path.split('/');
  if (!path.startsWith('/') || !collection)
    throw new CogmeshError('invalid_argument', `a resource is a path such as /runs, not "${path}"`);
  const type = Object.hasOwn(typeOfCollection, collection) ? typeOfCollection[collection] : undefined;
  return type === undefined ? { type: 'path', id: path } : { type, id: rest.join('/') };
}

/** A canonical path, or `<type>:<id>`. */
export function resourceNamed(text: string): EntityName {
  if (text.startsWith('/') || !text.includes(':')) return entityOfPath(text);
  return split(text);
}

/** `<type>:<id>`; a name without a type is a user. */
export const subjectNamed = (text: string): EntityName =>
  text.includes(':') ? split(text) : { type: 'user', id: text };

function split(text: string): EntityName {
  const colon = text.indexOf(':');
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}
