/** Answers of a local copy of the policies in the words of PolicyService, for a service that decides by it instead of asking. */
import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { ownerOf, parseResourcePath, type AccessRequest } from '@cogmesh/policy-core';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { fromDecision, fromRevocation } from './decide-messages.js';
import type { PolicySource } from './policy-source.js';

/** A request, and the token whose revocation ends it; empty for none. */
export interface JudgedRequest {
  readonly access: AccessRequest;
  readonly tokenId: string;
}

/** `invalid_argument` for a resource that is no canonical path. */
export function requestFor(subject: OutsideSubject, { action, resource }: Access, nowMs: number): JudgedRequest {
  return { access: { subject, action, resource: parseResourcePath(resource), nowMs }, tokenId: subject.tokenId };
}

/** Both organisations that the decision concerns; a resource whose name is none belongs to nobody else. */
export function partiesOf({ access: { subject, resource, owner = '' } }: JudgedRequest): readonly string[] {
  return [subject.organisation, ownerNamed(resource) ?? (owner === '' ? subject.organisation : owner)];
}

/** Whoever is revoked is refused, whatever the policies say. Not whether they are fresh. */
export function judge(
  { engine, revocations }: Pick<PolicySource, 'engine' | 'revocations'>,
  { access, tokenId }: JudgedRequest,
): policyV1.DecideResponse {
  const revocation = revocations.find({ ...access.subject, tokenId }, access.nowMs);
  const answer = revocation === undefined ? fromDecision(engine.decide(access)) : fromRevocation(revocation);
  return create(policyV1.DecideResponseSchema, answer);
}

function ownerNamed(resource: AccessRequest['resource']): string | undefined {
  try {
    return ownerOf(resource);
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return undefined;
    throw thrown;
  }
}
