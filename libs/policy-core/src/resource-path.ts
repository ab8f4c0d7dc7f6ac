/**
 * The two names of a resource, AuthZEN's entity and the canonical path, and the organisation a name belongs to.
 * A type that is not one of the mesh's own is the first segment of its path: `{type: 'record', id: '7'}` is `/record/7`. Its
 * ids are its owner's to choose, so one that no path can hold as it is stands in one segment with its signs escaped.
 * Nothing may spell in another way what has a type of its own: `{type: 'path', id: '/models/acme/x'}` is refused, or a
 * caller could choose under whose policies a model is judged.
 */
import { CogmeshError } from '@cogmesh/errors';
import { pathProblem, segmentsOf } from './canonical-path.js';
import type { Resource } from './types.js';

const collectionOfType = new Map([
  ['model', 'models'],
  ['run', 'runs'],
  ['blob', 'blobs'],
  ['agent', 'agents'],
  ['tool', 'tools'],
  ['policy', 'policies'],
]);
const typeOfCollection = new Map([...collectionOfType].map(([type, collection]) => [collection, type]));

/** A type of somebody else's resources; their ids follow it in the path. */
const foreignType = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

function refuse(name: string, problem: string): never {
  throw new CogmeshError('invalid_argument', `resource ${JSON.stringify(name.slice(0, 200))} ${problem}`, {
    resource: name.slice(0, 200),
  });
}

/** `{type: 'model', id: 'acme/x'}` -> `/models/acme/x`; an empty id names the collection. `invalid_argument` when not canonical. */
export function resourcePath(resource: Resource): string {
  const path = resource.type === 'path' ? resource.id : typedPath(resource);
  const problem = pathProblem(path);
  if (problem !== undefined) refuse(path, problem);
  if (!collectionOfType.has(resource.type) && typeOfCollection.has(segmentsOf(path)[0] ?? ''))
    refuse(path, `has a type of its own; "${resource.type}" may not name it`);
  return path;
}

function typedPath({ type, id }: Resource): string {
  const collection = collectionOfType.get(type);
  if (collection === undefined && !foreignType.test(type)) refuse(type, 'has a type that is not a name');
  if (id === '') return `/${collection ?? type}`;
  return collection === undefined ? `/${type}/${isOpaque(id) ? opaqueSegment(id) : id}` : `/${collection}/${id}`;
}

/** What an id of somebody else's resource may hold although no path may: a URL's, a route's, a title's characters. */
const beyondPaths = /^[~/]|\/\/|\/$|[ ?#;*]/;

/** A segment that is a dot or two is refused in every id: somebody behind us may walk it. */
function isOpaque(id: string): boolean {
  return beyondPaths.test(id) && !id.split('/').some((segment) => segment === '.' || segment === '..');
}

/** `/todos/{id}` -> `~=2Ftodos=2F{id}`: one segment, which no other id has, since none that stands as it is begins with `~`. */
function opaqueSegment(id: string): string {
  return `~${id.replaceAll(/[/ ?#;*=]/g, (sign) => `=${sign.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}

/** `/route/~=2Ftodos` -> `{type: 'route', id: '/todos'}`; undefined for a path that names nothing of somebody else's. */
export function foreignResource(path: string): Resource | undefined {
  const slash = path.indexOf('/', 1);
  if (slash === -1) return undefined;
  const [type, text] = [path.slice(1, slash), path.slice(slash + 1)];
  if (typeOfCollection.has(type) || !foreignType.test(type)) return undefined;
  if (!text.startsWith('~')) return { type, id: text };
  const id = text.slice(1).replaceAll(/=([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
  return { type, id };
}

/** `/models/acme/x` -> `{type: 'model', id: 'acme/x'}`; a path outside the collections has type `path` and itself as id. */
export function parseResourcePath(path: string): Resource {
  const problem = pathProblem(path);
  if (problem !== undefined) refuse(path, problem);
  const slash = path.indexOf('/', 1);
  const type = typeOfCollection.get(slash === -1 ? path.slice(1) : path.slice(1, slash));
  if (type === undefined) return { type: 'path', id: path };
  return { type, id: slash === -1 ? '' : path.slice(slash + 1) };
}

/** The organisation named in the id of a model or tool; undefined for everything else and for the bare collections. */
export function ownerOf(resource: Resource): string | undefined {
  if (resource.type !== 'model' && resource.type !== 'tool') return undefined;
  const slash = resource.id.indexOf('/');
  const organisation = slash === -1 ? resource.id : resource.id.slice(0, slash);
  return organisation === '' ? undefined : organisation;
}
