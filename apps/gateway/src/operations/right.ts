/**
 * Rights in the words of policies: an action on a canonical path. The path and the AuthZEN entity name the same thing:
 * `/models/acme/ppocr-detect` is `{ type: "model", id: "acme/ppocr-detect" }`, and `/runs` is `{ type: "run", id: "" }`.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Access } from '@cogmesh/rpc';

export interface Entity {
  readonly type: string;
  readonly id: string;
}

const collectionOfType: Readonly<Record<string, string>> = {
  run: 'runs',
  model: 'models',
  tool: 'tools',
  blob: 'blobs',
  agent: 'agents',
  policy: 'policies',
};
const typeOfCollection = new Map(Object.entries(collectionOfType).map(([type, collection]) => [collection, type]));

/** The entity of a canonical path. Rejects a path outside the known collections with `invalid_argument`. */
export function entityOf(path: string): Entity {
  const [, collection = '', id = ''] = /^\/([a-z]+)(?:\/(.+))?$/.exec(path) ?? [];
  const type = typeOfCollection.get(collection);
  if (type !== undefined) return { type, id };
  if (path.startsWith('/')) return { type: 'path', id: path };
  throw new CogmeshError('invalid_argument', `"${path}" is not a resource path; write for example /models/acme/reader`);
}

/** The canonical path of an entity. */
export function pathOf(entity: Entity): string {
  if (entity.type === 'path') return entity.id;
  const collection = collectionOfType[entity.type];
  if (collection === undefined) {
    throw new CogmeshError('invalid_argument', `unknown resource type "${entity.type}"`, {
      known: [...Object.keys(collectionOfType), 'path'],
    });
  }
  return entity.id === '' ? `/${collection}` : `/${collection}/${entity.id}`;
}

export const right = (action: string, resource: string): Access => ({ action, resource });
