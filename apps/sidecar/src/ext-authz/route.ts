/**
 * What an Envoy's configuration says of a route (`context_extensions`): the action and the resource that a request there is about,
 * where they are not those of its verb and path. It is the configuration's word, never the caller's; a name of ours that is not
 * known, or a resource that is not canonical, refuses every request of the route.
 */
import { canonicalTarget } from '@cogmesh/enforcement';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';

export interface Route {
  readonly action?: string;
  /** Canonical path. */
  readonly resource?: string;
}

const prefix = 'cogmesh.';
const actionForm = /^[A-Za-z0-9_.:-]{1,64}$/;

/** Rejects with `invalid_config`. */
export function routeOf(extensions: Readonly<Record<string, string>>): Route {
  const route: { action?: string; resource?: string } = {};
  for (const [name, value] of Object.entries(extensions)) {
    if (!name.startsWith(prefix)) continue;
    if (name === 'cogmesh.action' && actionForm.test(value)) route.action = value;
    else if (name === 'cogmesh.resource') route.resource = resourceOf(value);
    else throw wrong(name, `does not know ${JSON.stringify(value)}; it takes cogmesh.action and cogmesh.resource`);
  }
  return route;
}

function resourceOf(value: string): string {
  try {
    if (value.includes('?')) throw new CogmeshError('invalid_argument', 'it contains "?"');
    return canonicalTarget(value);
  } catch (thrown) {
    throw wrong('cogmesh.resource', `is no canonical path: ${toCogmeshError(thrown).message}`);
  }
}

const wrong = (name: string, why: string): CogmeshError =>
  new CogmeshError('invalid_config', `context_extensions of the route: ${name} ${why}`);
