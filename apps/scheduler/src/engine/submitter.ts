/**
 * Who submitted a run: kept with it, and told in the grants of its tasks, so that revocations find them and the policies are asked about them
 * again when a task leaves the queue.
 */
import type { Submitter } from '@cogmesh/identity';
import type { OutsideSubject } from '@cogmesh/rpc';

/** A schedule's creator has no token. */
type Known = Pick<OutsideSubject, 'issuer' | 'sub' | 'roles' | 'attributes' | 'keyId'> & { readonly tokenId?: string };

/** As it is kept. `met`: types of obligations that were met for the submit. */
export function submitterText(subject: Known, met: readonly string[] = []): string {
  const { issuer, sub, tokenId = '', keyId, roles, attributes } = subject;
  const who: Submitter = {
    issuer,
    sub,
    tokenId,
    ...(keyId === undefined ? {} : { keyId }),
    roles,
    attributes,
    ...(met.length === 0 ? {} : { met }),
  };
  return JSON.stringify(who);
}

/** Reads them; equal texts become one object, which a grant then lists once. */
export function submitterReader(): (text: string | null) => Submitter | undefined {
  const known = new Map<string, Submitter>();
  return (text) => {
    if (text === null) return undefined;
    const submitter = known.get(text) ?? (JSON.parse(text) as Submitter);
    known.set(text, submitter);
    return submitter;
  };
}
