/** Answers of a local copy of the policies in the words of PolicyService, for a service that decides by it instead of asking. */
import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { ownerOf, parseResourcePath, type AccessRequest } from '@cogmesh/policy-core';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { fromRevocation } from './decide-messages.js';
import { KeptDecisions, type KeptDecisionsOptions } from './kept-decisions.js';
import { loggedAnswer } from './log/record-answers.js';
import type { LoggedDecision } from './log/record.js';
import type { PolicySource } from './policy-source.js';
import type { Revocable } from './revocation-book.js';

/** A request, and whose revocation ends it. */
export interface JudgedRequest {
  readonly access: AccessRequest;
  readonly who: Revocable;
}

/** `invalid_argument` for a resource that is no canonical path. */
export function requestFor(subject: OutsideSubject, { action, resource }: Access, nowMs: number): JudgedRequest {
  return { access: { subject, action, resource: parseResourcePath(resource), nowMs }, who: subject };
}

/** Both organisations that the decision concerns. */
export function partiesOf({ access: { subject, resource, owner = '' } }: JudgedRequest): readonly string[] {
  const { organisation } = subject;
  const other = ownerOf(resource) ?? (owner === '' ? organisation : owner);
  return other === organisation ? [organisation] : [organisation, other];
}

export interface Judgement {
  /** In the words of PolicyService; one object for all that are answered by the same decision. */
  readonly answer: policyV1.DecideResponse;
  readonly logged: LoggedDecision;
}

export class Judge {
  readonly #source: Pick<PolicySource, 'revocations'>;
  readonly #decisions: KeptDecisions;

  constructor(options: KeptDecisionsOptions) {
    this.#source = options.source;
    this.#decisions = new KeptDecisions(options);
  }

  /** Whoever is revoked is refused, whatever the policies say. Not whether they are fresh. */
  judge({ access, who }: JudgedRequest): Judgement {
    const revocation = this.#source.revocations.find(who, access.nowMs);
    if (revocation === undefined) {
      const { verdict, fromCache } = this.#decisions.decide(access);
      return { answer: verdict.answer, logged: verdict.logged(fromCache) };
    }
    const answer = create(policyV1.DecideResponseSchema, fromRevocation(revocation));
    return { answer, logged: loggedAnswer({ ...access, answer }) };
  }
}
