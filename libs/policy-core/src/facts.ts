/** What a condition sees. Classes, because CEL takes their members for typed fields without copying them. */
import type { Resource, Topology } from './types.js';

/** What a request asks about. */
export interface Place {
  readonly path: string;
  readonly segments: readonly string[];
  /** Name of the organisation that owns it. */
  readonly owner: string;
}

type JsonMap = Readonly<Record<string, unknown>>;

export class FactsOfResource {
  readonly type: string;
  readonly id: string;
  readonly path: string;
  readonly owner: string;
  readonly attributes: JsonMap;

  constructor({ type, id }: Resource, { path, owner }: Place, attributes: JsonMap) {
    this.type = type;
    this.id = id;
    this.path = path;
    this.owner = owner;
    this.attributes = attributes;
  }
}

/** The topology of the set whose rules are judged. */
export class FactsOfTopology implements Topology {
  readonly parents: readonly string[];
  readonly members: readonly string[];
  readonly partners: readonly string[];

  constructor({ parents, members, partners }: Topology) {
    this.parents = parents;
    this.members = members;
    this.partners = partners;
  }
}

export interface Facts {
  readonly sub: string;
  readonly org_id: string;
  readonly issuer: string;
  /** One effective role of the subject; the rule is tried with each. */
  role: string;
  readonly roles: readonly string[];
  readonly action: string;
  readonly resource: FactsOfResource;
  readonly context: JsonMap;
  readonly attributes: JsonMap;
  readonly topology: FactsOfTopology;
}
