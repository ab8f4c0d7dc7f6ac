import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, OutsideSubject } from '@cogmesh/rpc';

/** The caller, when the permit carries the right; throws `permission_denied`. */
export function permittedMember(
  { caller }: CallContext,
  action: 'read' | 'write',
  resource: '/issuers' | '/grants' | '/revocations',
): OutsideSubject {
  if (caller.kind !== 'subject')
    throw new CogmeshError('permission_denied', 'this is done on behalf of a member of an organisation');
  if (caller.access.some((right) => right.action === action && right.resource === resource)) return caller.subject;
  throw new CogmeshError('permission_denied', `the permit does not carry "${action}" on ${resource}`);
}
