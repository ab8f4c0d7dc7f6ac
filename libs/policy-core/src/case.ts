/** A request whose names are canonical and whose organisations are known, and what one of the two parties finds about it. */
import type { Place } from './facts.js';
import { findingOf, type Finding } from './finding.js';
import type { Organisation, SubjectRoles } from './organisation.js';
import { readsNothing, unionOfReads } from './reads.js';
import type { Rule } from './rule.js';
import type { Inquiry } from './rule-enforcer.js';
import type { AccessRequest, Decision, Reads } from './types.js';

/** An organisation and those of its rules that cover the request. */
export interface Party {
  readonly organisation: Organisation;
  readonly candidates: readonly Rule[];
}

export interface Opened {
  readonly request: AccessRequest;
  readonly place: Place;
  readonly owner: Party;
  /** The same as `owner` inside one organisation. */
  readonly caller: Party;
}

export interface Case extends Opened, SubjectRoles {}

export function inquiryTo({ organisation }: Party, { request, place, caller, roles, inDoubt }: Case): Inquiry {
  return {
    facts: organisation.facts(request, place, roles),
    segments: place.segments,
    foreign: organisation !== caller.organisation,
    rolesInDoubt: inDoubt,
  };
}

export function findingBy(party: Party, opened: Case): Finding {
  const { organisation, candidates } = party;
  const inquiry = inquiryTo(party, opened);
  return findingOf(organisation.name, inquiry.facts, organisation.enforcer.enforce(candidates, inquiry));
}

/** What the rules of both parties and the caller's role bindings may read. */
export function readsOf({ request, owner, caller }: Opened): Reads {
  const ofRoles = caller.organisation.readsForRoles(request.subject);
  const ofOwner = owner.candidates.map(({ reads }) => reads);
  const ofCaller = owner === caller ? [] : caller.candidates.map(({ reads }) => reads);
  return unionOfReads([ofRoles, ...ofOwner, ...ofCaller]);
}

export function refusal(code: Decision['code'], reason: string, epoch: number): Decision {
  return {
    allowed: false,
    code,
    reason,
    rules: [],
    epoch,
    cacheable: false,
    obligations: [],
    reads: readsNothing,
  };
}
