export { pathProblem } from './canonical-path.js';
export { DecisionEngine } from './decision-engine.js';
export { governancePolicies, type GovernanceOptions, type StageWork } from './governance/compile-governance.js';
export { governanceMatrix, governanceRoles, governanceStages } from './governance/matrix.js';
export { compileGlob, globProblem, type Glob } from './glob.js';
export { limits as policyLimits } from './limits.js';
export { isOrganisationName, parsePolicySet, parsePolicySetText } from './parse-policy-set.js';
export { diffPolicySets, type Change, type FieldChange } from './tools/diff.js';
export { policySetJsonSchema, testTableJsonSchema } from './tools/json-schemas.js';
export { lintPolicySet, type LintOptions } from './tools/lint.js';
export type { Finding as LintFinding } from './tools/linted-rule.js';
export { runTests, type TestOutcome, type TestReport } from './tools/run-tests.js';
export { CandidateEngine, verdictOn, type RecordedDecision, type SimulatedFlip } from './tools/simulate.js';
export { parseTestTable, type TestTable } from './tools/test-table.js';
export { foreignResource, ownerOf, parseResourcePath, resourcePath } from './resource-path.js';
export type {
  AccessRequest,
  AccessSubject,
  BoundSubject,
  Decision,
  DecisionCode,
  Effect,
  Entity,
  Explanation,
  InformationNeed,
  InformationSource,
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
