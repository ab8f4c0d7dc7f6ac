/**
 * Who asks, and what that allows to ask. Anybody may ask about itself, as its token says. To ask about others of the own
 * organisation takes the right `evaluate` on `/access`, or the role of an enforcement point, which the issuer registry
 * must let the issuer give. Only an enforcement point's properties count. Whoever is asked about, organisation and issuer
 * are the asker's own, from the registry.
 */
import type { OutsideSubject } from '@cogmesh/rpc';
import type { AllowedProperties, PropertyNames } from './allowed-properties.js';
import { noProperties } from './allowed-properties.js';
import type { Entity } from './entities.js';

/** To ask about others. */
export const askRight = { action: 'evaluate', resource: '/access' } as const;

/** The type whose ids are the `sub` of tokens. */
const userType = 'user';

export interface AskerRules {
  /** Role of an enforcement point. */
  readonly role: string;
  readonly properties: AllowedProperties;
  /** Roles that tokens of the issuer may claim; none for an issuer that is not known. */
  readonly allowedRoles: (issuer: string) => readonly string[];
}

export class Asker {
  readonly isEnforcementPoint: boolean;
  readonly #self: OutsideSubject;
  readonly #rules: AskerRules;
  readonly properties: PropertyNames;

  constructor(self: OutsideSubject, rules: AskerRules) {
    this.#self = self;
    this.#rules = rules;
    this.isEnforcementPoint = self.roles.includes(rules.role);
    this.properties = this.isEnforcementPoint ? rules.properties.of(self.organisation) : noProperties;
  }

  isItself({ type, id }: Entity): boolean {
    return type === userType && id === this.#self.sub;
  }

  /** The subject that a decision is about. */
  subjectOf(entity: Entity): OutsideSubject {
    const { roles = [], ...attributes } = this.properties.pick('subject', entity.properties);
    if (this.isItself(entity)) return { ...this.#self, attributes: { ...attributes, ...this.#self.attributes } };
    const { issuer, organisation } = this.#self;
    return {
      issuer,
      organisation,
      sub: subjectName(entity),
      roles: this.#rolesSent(roles),
      tokenId: '',
      attributes,
    };
  }

  #rolesSent(sent: unknown): readonly string[] {
    if (!Array.isArray(sent) || sent.length === 0) return [];
    return this.#rules.allowedRoles(this.#self.issuer).filter((role) => sent.includes(role));
  }
}

/**
 * Ids are scoped to their type: a user's is its `sub`, and any other stands behind its type, `robot::r2`. A user whose id
 * looks like that would be taken for the other, so it stands behind its type too.
 */
function subjectName({ type, id }: Entity): string {
  return type === userType && !id.includes('::') ? id : `${encodeURIComponent(type)}::${id}`;
}
