import type { ServiceIdentity } from '@cogmesh/identity';

/** For `openChannel({ authorize })`: this service's own token for `audience` on every call that brings no authorization of its own. */
export function authorisation(
  identity: Pick<ServiceIdentity, 'serviceToken'>,
  audience: string,
): (method: string) => Promise<string> {
  return async () => `Bearer ${await identity.serviceToken(audience)}`;
}
