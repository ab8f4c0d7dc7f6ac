export { pathProblem } from './canonical-path.js';
export { DecisionEngine } from './decision-engine.js';
export { compileGlob, globProblem, type Glob } from './glob.js';
export { limits as policyLimits } from './limits.js';
export { isOrganisationName, parsePolicySet, parsePolicySetText } from './parse-policy-set.js';
export { ownerOf, parseResourcePath, resourcePath } from './resource-path.js';
export type {
  AccessRequest,
  AccessSubject,
  Decision,
  DecisionCode,
  Effect,
  Explanation,
  OrganisationPolicies,
  PartnerGrant,
  PolicyDocument,
  PolicySet,
  Resource,
  RuleOutcome,
} from './types.js';
