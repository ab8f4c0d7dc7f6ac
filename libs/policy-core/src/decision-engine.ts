/**
 * Decides. Inside one organisation its policies must allow. Across organisations three must agree: a grant signed by
 * the owner, the owner's policies, and the policies of the caller's own organisation. Everything else is refused with
 * the reason. An organisation's rules are built aside and swapped in whole; no decision sees half of them.
 */
import { CogmeshError } from '@cogmesh/errors';
import { segmentsOf } from './canonical-path.js';
import type { Facts } from './condition.js';
import { explainRules } from './explanation.js';
import { GrantBook } from './grants.js';
import { ownerOf, resourcePath } from './resource-path.js';
import { effectiveRoles, type RoleTable } from './roles.js';
import { compileRule } from './rule.js';
import { RuleEnforcer, type Inquiry } from './rule-enforcer.js';
import { findingOf } from './finding.js';
import type { AccessRequest, Decision, Explanation, OrganisationPolicies, Reads, RuleOutcome } from './types.js';

const readsNothing: Reads = { attributes: [], context: [], resourceAttributes: [] };
const readsEverything: Reads = { attributes: ['*'], context: ['*'], resourceAttributes: ['*'] };
const actionPattern = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

interface Organisation {
  readonly name: string;
  readonly epoch: number;
  readonly enforcer: RuleEnforcer;
  readonly roles: RoleTable;
  readonly grants: GrantBook;
}

/** A request whose names are canonical and whose organisations are known. */
interface Case {
  readonly owner: Organisation;
  readonly caller: Organisation;
  readonly path: string;
  readonly facts: Facts;
  readonly nowMs: number;
}

export class DecisionEngine {
  readonly #organisations = new Map<string, Organisation>();

  /** `invalid_policy` when the document is not one that parsePolicySet answered; `conflict` when the epoch goes back. Then nothing changes. */
  replace({ organisation, epoch, document, grants }: OrganisationPolicies): void {
    const held = this.#organisations.get(organisation);
    if (held !== undefined && epoch < held.epoch)
      throw new CogmeshError(
        'conflict',
        `epoch ${String(epoch)} of ${organisation} is older than ${String(held.epoch)}`,
      );
    this.#organisations.set(organisation, {
      name: organisation,
      epoch,
      enforcer: new RuleEnforcer(organisation, document.policies.map(compileRule)),
      roles: new Map(Object.entries(document.roles).map(([role, { inherits }]) => [role, inherits])),
      grants: new GrantBook(organisation, grants),
    });
  }

  /** Everything of and for this organisation is refused from now on. */
  remove(organisation: string): void {
    this.#organisations.delete(organisation);
  }

  epochOf(organisation: string): number | undefined {
    return this.#organisations.get(organisation)?.epoch;
  }

  organisations(): string[] {
    return [...this.#organisations.keys()].sort();
  }

  /** Never throws for a request of the right shape: what cannot be judged is refused. */
  decide(request: AccessRequest): Decision {
    const opened = this.#open(request);
    return 'code' in opened ? opened : decideCase(opened);
  }

  /**
   * What the request's rules may read, before anything is decided; nothing for a request that will be refused unread. It
   * depends on the subject's issuer, sub and organisation, on action, resource and owner, and on the two epochs.
   */
  needs(request: AccessRequest): Reads {
    const opened = this.#open(request);
    return 'code' in opened ? readsNothing : readsEverything;
  }

  /** The decision and what each rule that touches the action or the resource did, the owner's rules first. */
  explain(request: AccessRequest): Explanation {
    const opened = this.#open(request);
    if ('code' in opened) return { decision: opened, rules: [] };
    const { owner, caller } = opened;
    const parties = owner === caller ? [owner] : [owner, caller];
    const rules: RuleOutcome[] = parties.flatMap((party) =>
      explainRules(party.name, party.enforcer.rules, inquiryTo(party, opened)),
    );
    return { decision: decideCase(opened), rules };
  }

  #open(request: AccessRequest): Case | Decision {
    try {
      return this.#openCase(request);
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      return refusal('invalid_request', thrown.message, 0);
    }
  }

  #openCase(request: AccessRequest): Case | Decision {
    if (!actionPattern.test(request.action))
      throw new CogmeshError('invalid_argument', `action ${JSON.stringify(request.action.slice(0, 80))} is not a name`);
    const path = resourcePath(request.resource);
    const { subject, resource } = request;
    const caller = this.#organisations.get(subject.organisation);
    if (caller === undefined) return unknownOrganisation(subject.organisation);
    const ownerName = ownerOf(resource) ?? (request.owner || subject.organisation);
    const owner = this.#organisations.get(ownerName);
    if (owner === undefined) return unknownOrganisation(ownerName);
    const facts: Facts = {
      sub: subject.sub,
      org_id: subject.organisation,
      issuer: subject.issuer,
      role: '',
      roles: effectiveRoles(subject.roles, caller.roles),
      action: request.action,
      resource: { type: resource.type, id: resource.id, path, owner: ownerName },
      context: request.context ?? {},
      attributes: subject.attributes,
    };
    return { owner, caller, path, facts, nowMs: request.nowMs };
  }
}

function decideCase(request: Case): Decision {
  return request.owner === request.caller ? decideWithin(request) : decideAcross(request);
}

function decideWithin(request: Case): Decision {
  const ruling = request.owner.enforcer.enforce(inquiryTo(request.owner, request));
  return {
    ...findingOf(request.owner.name, request.facts, ruling),
    epoch: request.owner.epoch,
    cacheable: !ruling.readsContext,
    obligations: [],
    reads: readsEverything,
  };
}

function decideAcross(request: Case): Decision {
  const { owner, caller, facts, path, nowMs } = request;
  const answer = owner.grants.find({ grantee: caller.name, action: facts.action, path, nowMs });
  const wish = `${facts.action} on ${path}`;
  if (answer.kind === 'none')
    return refusal('no_grant', `${owner.name} granted ${caller.name} no ${wish}`, owner.epoch);
  if (answer.kind === 'expired')
    return refusal('grant_expired', `grant "${answer.grant.id}" for ${wish} has expired`, owner.epoch);
  const common = {
    epoch: owner.epoch,
    grantId: answer.grant.id,
    cacheable: false,
    obligations: [],
    reads: readsEverything,
  };
  const ofOwner = findingOf(owner.name, facts, owner.enforcer.enforce(inquiryTo(owner, request)));
  if (!ofOwner.allowed) return { ...ofOwner, ...common };
  const ofCaller = findingOf(caller.name, facts, caller.enforcer.enforce(inquiryTo(caller, request)));
  if (!ofCaller.allowed) return { ...ofCaller, ...common };
  const reason = `${ofOwner.reason}; ${ofCaller.reason}; grant "${answer.grant.id}"`;
  return { allowed: true, code: 'allowed', reason, rules: [...ofOwner.rules, ...ofCaller.rules], ...common };
}

function inquiryTo(party: Organisation, { caller, path, facts }: Case): Inquiry {
  return { facts, segments: segmentsOf(path), foreign: party !== caller };
}

function unknownOrganisation(name: string): Decision {
  return refusal('unknown_organisation', `there is no organisation "${name.slice(0, 100)}" here`, 0);
}

function refusal(code: Decision['code'], reason: string, epoch: number): Decision {
  return { allowed: false, code, reason, rules: [], epoch, cacheable: false, obligations: [], reads: readsNothing };
}
