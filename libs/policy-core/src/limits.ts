/** Bounds on one organisation's policy set and on one request. They are the decision engine's own: a bigger set is refused whole. */
export const limits = {
  /** Rules in one policy set. */
  policies: 10_000,
  /** Actions in one rule. */
  permissions: 64,
  /** Resource globs in one rule. */
  resources: 256,
  /** Roles in one set. */
  roles: 1_000,
  /** Roles that one role names directly. */
  inherits: 64,
  /** Roles of one subject, inherited ones included; what is beyond is a refusal, never a cut. */
  effectiveRoles: 256,
  grants: 1_000,
  /** Role bindings in one set. */
  bindings: 10_000,
  /** Subjects of one binding. */
  boundSubjects: 1_000,
  /** Characters of a bound subject's `sub` or `issuer`. */
  subjectChars: 512,
  /** Organisations in one list of the topology. */
  topology: 1_000,
  entities: 10_000,
  /** Obligations of one rule. */
  obligations: 16,
  /** Attributes of one entity, properties of one obligation. */
  members: 64,
  /** Characters of one entity's attributes or one obligation's properties as JSON. */
  membersChars: 16_384,
  /** Characters of the address of an information source. */
  urlChars: 2_048,
  /** Longest wait for an information source, milliseconds. */
  informationTimeoutMs: 2_000,
  /** Longest time its answers may count, milliseconds. */
  informationTtlMs: 30_000,
  idChars: 128,
  descriptionChars: 1_024,
  conditionChars: 4_096,
  /** Nodes of a condition's syntax tree. */
  conditionNodes: 512,
  conditionDepth: 24,
  /** Steps that a condition may take at most. */
  conditionCost: 500_000,
  /** Items of a list, or members of a map, that a condition may look through. */
  listItems: 1_000,
  /** Characters of a text that a condition may look through. */
  textChars: 16_384,
  /** Lists of actions kept for the next rule that has the same. */
  sharedLists: 1_000,
  /** Compiled conditions kept for the next set that has the same text. */
  compiledConditions: 10_000,
  globChars: 512,
  /** Characters of a canonical path. */
  pathChars: 1_024,
  pathSegments: 32,
  /** Issues reported for one document; the rest is counted. */
  issues: 100,
  /** Rules listed by one explanation. */
  explainedRules: 1_000,
} as const;
