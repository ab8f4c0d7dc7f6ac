/**
 * Decides. Inside one organisation its policies must allow. Across organisations three must agree: a grant signed by
 * the owner, the owner's policies, and the policies of the caller's own organisation. Everything else is refused with
 * the reason. An organisation's rules are built aside and swapped in whole; no decision sees half of them.
 */
import { CogmeshError } from '@cogmesh/errors';
import { decideAcross } from './across.js';
import { segmentsOf } from './canonical-path.js';
import { findingBy, inquiryTo, readsOf, refusal, type Case, type Opened } from './case.js';
import { explainRules } from './explanation.js';
import { informationNeed } from './information.js';
import { Organisation } from './organisation.js';
import { readsNothing } from './reads.js';
import { ownerOf, resourcePath } from './resource-path.js';
import type { AccessRequest, Decision, Explanation, InformationNeed, OrganisationPolicies, Reads } from './types.js';

const actionPattern = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

export class DecisionEngine {
  readonly #organisations = new Map<string, Organisation>();

  /** `invalid_policy` when the document is not one that parsePolicySet answered; `conflict` when the epoch goes back. Then nothing changes. */
  replace(policies: OrganisationPolicies): void {
    const { organisation, epoch } = policies;
    const held = this.#organisations.get(organisation);
    if (held !== undefined && epoch < held.epoch)
      throw new CogmeshError(
        'conflict',
        `epoch ${String(epoch)} of ${organisation} is older than ${String(held.epoch)}`,
      );
    this.#organisations.set(organisation, new Organisation(policies));
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
    const opened = this.#case(request);
    return 'code' in opened ? opened : decideCase(opened);
  }

  /**
   * What the rules and role bindings for this request may read, before anything is decided; nothing for a request that will
   * be refused unread. It depends on the subject's issuer, sub and organisation, on action, resource and owner, and on the
   * epochs of the two organisations.
   */
  needs(request: AccessRequest): Reads {
    const opened = refusing(() => this.#open(request));
    return 'code' in opened ? readsNothing : readsOf(opened);
  }

  /** What has to be asked before the request is decided; undefined when no candidate rule reads anything of the kind. */
  informationFor(request: AccessRequest): InformationNeed | undefined {
    const { resource, subject, owner: named } = request;
    const { information } = this.#organisations.get(ownerOf(resource) ?? (named || subject.organisation)) ?? {};
    if (information === undefined && resource.type !== 'agent') return undefined;
    const opened = refusing(() => this.#open(request));
    return 'code' in opened ? undefined : informationNeed(opened, information);
  }

  /** The decision and what each rule that touches the action or the resource did, the owner's rules first. */
  explain(request: AccessRequest): Explanation {
    const opened = this.#case(request);
    if ('code' in opened) return { decision: opened, rules: [] };
    const { owner, caller } = opened;
    const parties = owner === caller ? [owner] : [owner, caller];
    const rules = parties.flatMap((party) => explainRules(party.organisation, inquiryTo(party, opened)));
    return { decision: decideCase(opened), rules };
  }

  #case(request: AccessRequest): Case | Decision {
    return refusing(() => {
      const opened = this.#open(request);
      if ('code' in opened) return opened;
      return { ...opened, ...opened.caller.organisation.rolesOf(request, opened.place) };
    });
  }

  #open(request: AccessRequest): Opened | Decision {
    const { action, subject, resource } = request;
    if (!actionPattern.test(action))
      throw new CogmeshError('invalid_argument', `action ${JSON.stringify(action.slice(0, 80))} is not a name`);
    const path = resourcePath(resource);
    const caller = this.#organisations.get(subject.organisation);
    if (caller === undefined) return unknownOrganisation(subject.organisation);
    const ownerName = ownerOf(resource) ?? (request.owner || subject.organisation);
    const owner = this.#organisations.get(ownerName);
    if (owner === undefined) return unknownOrganisation(ownerName);
    const segments = segmentsOf(path);
    const ofOwner = { organisation: owner, candidates: owner.enforcer.candidates(action, path, segments) };
    const ofCaller =
      owner === caller
        ? ofOwner
        : { organisation: caller, candidates: caller.enforcer.candidates(action, path, segments) };
    return { request, place: { path, segments, owner: ownerName }, owner: ofOwner, caller: ofCaller };
  }
}

function refusing<T>(open: () => T): T | Decision {
  try {
    return open();
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return refusal('invalid_request', thrown.message, 0);
  }
}

function decideCase(opened: Case): Decision {
  return opened.owner === opened.caller ? decideWithin(opened) : decideAcross(opened);
}

function decideWithin(opened: Case): Decision {
  const { owner } = opened;
  const reads = readsOf(opened);
  return {
    ...findingBy(owner, opened),
    epoch: owner.organisation.epoch,
    cacheable: reads.context.length === 0 && reads.resourceAttributes.length === 0,
    reads,
  };
}

function unknownOrganisation(name: string): Decision {
  return refusal('unknown_organisation', `there is no organisation "${name.slice(0, 100)}" here`, 0);
}
