/** Who calls, from the call's permit. The organisation is never taken from a message. */
import { CogmeshError } from '@cogmesh/errors';
import type { Access, CallContext, OutsideSubject } from '@cogmesh/rpc';
import type { NeededAccess } from '@cogmesh/scheduling-core';

export interface PermittedCaller {
  readonly subject: OutsideSubject;
  readonly access: readonly Access[];
  /** Types of obligations that the gateway has met for the call. */
  readonly met?: readonly string[];
}

export function subjectOf({ caller }: CallContext): PermittedCaller {
  if (caller.kind === 'subject') return caller;
  throw new CogmeshError('permission_denied', 'this call needs a permit of the gateway');
}

export function serviceOf({ caller }: CallContext): string {
  if (caller.kind === 'service') return caller.service;
  throw new CogmeshError('permission_denied', 'only services call this');
}

export function requireAdministrator({ subject }: PermittedCaller): void {
  if (subject.roles.includes('admin')) return;
  throw new CogmeshError('permission_denied', 'only administrators may see and replay dead letters', {
    roles: subject.roles,
  });
}

/** The permit must carry every right the document needs: what the gateway did not ask for was never decided. */
export function requireAccess({ access }: PermittedCaller, needed: readonly NeededAccess[]): void {
  const held = new Set(access.map(({ action, resource }) => `${action} ${resource}`));
  const missing = needed.filter(({ action, resource }) => !held.has(`${action} ${resource}`));
  const [first] = missing;
  if (!first) return;
  throw new CogmeshError('permission_denied', `the permit does not allow ${first.action} on ${first.resource}`, {
    missing,
  });
}
