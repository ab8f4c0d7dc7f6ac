/** One organisation's set, compiled: what its rules, roles, bindings, grants and entities say, at one epoch. */
import { BindingBook } from './bindings.js';
import { entityPath } from './entity-name.js';
import { FactsOfResource, FactsOfTopology, type Facts, type Place } from './facts.js';
import { GrantBook } from './grants.js';
import { readsNothing } from './reads.js';
import { RoleBook } from './roles.js';
import { compileRule } from './rule.js';
import { RuleEnforcer } from './rule-enforcer.js';
import type { AccessRequest, AccessSubject, Entity, InformationSource, OrganisationPolicies, Reads } from './types.js';

type JsonMap = Readonly<Record<string, unknown>>;

export interface SubjectRoles {
  readonly roles: readonly string[];
  readonly inDoubt: string | undefined;
}

const noAttributes: JsonMap = {};
const noTopology = new FactsOfTopology({ parents: [], members: [], partners: [] });

export class Organisation {
  readonly name: string;
  readonly epoch: number;
  readonly enforcer: RuleEnforcer;
  readonly grants: GrantBook;
  /** Undefined when nobody is to be asked about its resources. */
  readonly information: InformationSource | undefined;
  readonly #roles: RoleBook;
  /** Undefined when the set binds nobody. */
  readonly #bindings: BindingBook | undefined;
  readonly #topology: FactsOfTopology;
  /** Undefined when the set names no entity. */
  readonly #attributesOfPath: ReadonlyMap<string, JsonMap> | undefined;

  /** `invalid_policy` when the document is not one that parsePolicySet answered. */
  constructor({ organisation, epoch, document, grants }: OrganisationPolicies) {
    this.name = organisation;
    this.epoch = epoch;
    const rules = document.policies.map((policy, i) => compileRule(policy, i, organisation));
    this.enforcer = new RuleEnforcer(organisation, rules);
    this.information = document.information;
    this.grants = new GrantBook(organisation, grants);
    const table = Object.entries(document.roles).map(([role, { inherits }]) => [role, inherits] as const);
    this.#roles = new RoleBook(new Map(table));
    this.#bindings = document.bindings && new BindingBook(document.bindings);
    this.#topology = document.topology === undefined ? noTopology : new FactsOfTopology(document.topology);
    this.#attributesOfPath = document.entities && attributesByPath(document.entities);
  }

  /** What this organisation's rules see of a request. */
  facts(request: AccessRequest, place: Place, roles: readonly string[]): Facts {
    const { subject, resource } = request;
    const attributes = this.#attributesOf(place.path, this.#known(request, place));
    return {
      sub: subject.sub,
      org_id: subject.organisation,
      issuer: subject.issuer,
      role: '',
      roles,
      action: request.action,
      resource: new FactsOfResource(resource, place, attributes),
      context: request.context ?? noAttributes,
      attributes: this.#attributesOfSubject(subject),
      topology: this.#topology,
    };
  }

  /** The roles of one of its own subjects: those of the token, those it is bound to, and what they inherit. */
  rolesOf(request: AccessRequest, place: Place): SubjectRoles {
    const { subject } = request;
    if (this.#bindings === undefined) return { roles: this.#roles.effective(subject.roles), inDoubt: undefined };
    const { roles, inDoubt } = this.#bindings.rolesOf(subject, () => this.facts(request, place, []));
    const all = roles.length === 0 ? subject.roles : [...subject.roles, ...roles];
    return { roles: this.#roles.effective(all), inDoubt };
  }

  /** What is read to find the roles of one of its own subjects. */
  readsForRoles(subject: AccessSubject): Reads {
    return this.#bindings?.reads(subject) ?? readsNothing;
  }

  /** What the set says about one of its own subjects, as the entity `user:<sub>`, stands against what came with the request. */
  #attributesOfSubject({ organisation, sub, attributes }: AccessSubject): JsonMap {
    const said = organisation === this.name ? this.#attributesOfPath?.get(`/user/${sub}`) : undefined;
    return said === undefined ? attributes : { ...attributes, ...said };
  }

  /** What is known now of a resource of its own; of another's only what came with the request. */
  #known({ resourceAttributes, informed }: AccessRequest, { owner }: Place): JsonMap | undefined {
    if (informed === undefined || owner !== this.name) return resourceAttributes;
    return resourceAttributes === undefined ? informed : { ...resourceAttributes, ...informed };
  }

  /** What the set says stands against what is only known now. */
  #attributesOf(path: string, known: JsonMap | undefined): JsonMap {
    const said = this.#attributesOfPath?.get(path);
    if (said === undefined) return known ?? noAttributes;
    return known === undefined ? said : { ...known, ...said };
  }
}

function attributesByPath(entities: Readonly<Record<string, Entity>>): Map<string, JsonMap> {
  return new Map(Object.entries(entities).map(([name, { attributes }]) => [entityPath(name), attributes]));
}
