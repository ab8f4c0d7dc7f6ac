export { pathProblem } from './canonical-path.js';
export { DecisionEngine } from './decision-engine.js';
export { compileGlob, globProblem, type Glob } from './glob.js';
export { limits as policyLimits } from './limits.js';
export { isOrganisationName, parsePolicySet, parsePolicySetText } from './parse-policy-set.js';
export { ownerOf, parseResourcePath, resourcePath } from './resource-path.js';
export type {
  AccessRequest,
  AccessSubject,
  BoundSubject,
  Decision,
  DecisionCode,
  Effect,
  Entity,
  Explanation,
  Obligation,
  OrganisationPolicies,
  PartnerGrant,
  PolicyDocument,
  PolicySet,
  Reads,
  Resource,
  RoleBinding,
  RuleOutcome,
  Topology,
} from './types.js';
