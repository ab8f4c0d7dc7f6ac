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
