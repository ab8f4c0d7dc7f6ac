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
  idChars: 128,
  descriptionChars: 1_024,
  conditionChars: 4_096,
  /** Nodes of a condition's syntax tree. */
  conditionNodes: 512,
  conditionDepth: 24,
  globChars: 512,
  /** Characters of a canonical path. */
  pathChars: 1_024,
  pathSegments: 32,
  /** Issues reported for one document; the rest is counted. */
  issues: 100,
  /** Rules listed by one explanation. */
  explainedRules: 1_000,
} as const;
