/** One organisation's set, compiled: what its rules, roles, bindings, grants and entities say, at one epoch. */
import { BindingBook } from './bindings.js';
import { entityPath } from './entity-name.js';
import { FactsOfResource, FactsOfTopology, type Facts } from './facts.js';
import { GrantBook } from './grants.js';
import { effectiveRoles, type RoleTable } from './roles.js';
import { compileRule } from './rule.js';
import { RuleEnforcer } from './rule-enforcer.js';
import type { AccessRequest, AccessSubject, OrganisationPolicies, Reads } from './types.js';

type JsonMap = Readonly<Record<string, unknown>>;

/** What a request asks about. */
export interface Place {
  readonly path: string;
  readonly segments: readonly string[];
  /** Name of the organisation that owns it. */
  readonly owner: string;
}

export interface SubjectRoles {
  readonly roles: readonly string[];
  readonly inDoubt: string | undefined;
}

const noAttributes: JsonMap = {};

export class Organisation {
  readonly name: string;
  readonly epoch: number;
  readonly enforcer: RuleEnforcer;
  readonly grants: GrantBook;
  readonly #roles: RoleTable;
  readonly #bindings: BindingBook;
  readonly #topology: FactsOfTopology;
  readonly #attributesOfPath: ReadonlyMap<string, JsonMap>;

  /** `invalid_policy` when the document is not one that parsePolicySet answered. */
  constructor({ organisation, epoch, document, grants }: OrganisationPolicies) {
    this.name = organisation;
    this.epoch = epoch;
    this.enforcer = new RuleEnforcer(organisation, document.policies.map(compileRule));
    this.grants = new GrantBook(organisation, grants);
    this.#roles = new Map(Object.entries(document.roles).map(([role, { inherits }]) => [role, inherits]));
    this.#bindings = new BindingBook(document.bindings ?? []);
    this.#topology = new FactsOfTopology(document.topology ?? { parents: [], members: [], partners: [] });
    const entities = Object.entries(document.entities ?? {});
    this.#attributesOfPath = new Map(entities.map(([name, { attributes }]) => [entityPath(name), attributes]));
  }

  /** What this organisation's rules see of a request. */
  facts(request: AccessRequest, { path, owner }: Place, roles: readonly string[]): Facts {
    const { subject, resource } = request;
    const attributes = this.#attributesOf(path, request.resourceAttributes);
    return {
      sub: subject.sub,
      org_id: subject.organisation,
      issuer: subject.issuer,
      role: '',
      roles,
      action: request.action,
      resource: new FactsOfResource(resource.type, resource.id, path, owner, attributes),
      context: request.context ?? noAttributes,
      attributes: subject.attributes,
      topology: this.#topology,
    };
  }

  /** The roles of one of its own subjects: those of the token, those it is bound to, and what they inherit. */
  rolesOf(request: AccessRequest, place: Place): SubjectRoles {
    const { subject } = request;
    const { roles, inDoubt } = this.#bindings.rolesOf(subject, () => this.facts(request, place, []));
    const all = roles.length === 0 ? subject.roles : [...subject.roles, ...roles];
    return { roles: effectiveRoles(all, this.#roles), inDoubt };
  }

  /** What is read to find the roles of one of its own subjects. */
  readsForRoles(subject: AccessSubject): Reads {
    return this.#bindings.reads(subject);
  }

  /** What the set says stands against what is only known now. */
  #attributesOf(path: string, known: JsonMap | undefined): JsonMap {
    const said = this.#attributesOfPath.get(path);
    if (said === undefined) return known ?? noAttributes;
    return known === undefined ? said : { ...known, ...said };
  }
}
