/** Names of entities in a policy set: `<type>:<id>` of AuthZEN's entity, `model:acme/ocr`, `path:/api/v1/reports/7`. */
import { resourcePath } from './resource-path.js';

/** The canonical path of the named resource; `invalid_argument` when there is none. */
export function entityPath(name: string): string {
  const colon = name.indexOf(':');
  return resourcePath({ type: colon === -1 ? '' : name.slice(0, colon), id: name.slice(colon + 1) });
}
