/**
 * Who may do what in the life of a model: three roles, four stages, twelve cells, as data. What a cell means as policies
 * is compile-governance.ts.
 */

export const governanceRoles = ['data-scientist', 'mlops-engineer', 'compliance-officer'] as const;
export type GovernanceRole = (typeof governanceRoles)[number];

export const governanceStages = ['model-development', 'data-validation', 'deployment', 'compliance-audit'] as const;
export type GovernanceStage = (typeof governanceStages)[number];

/** `co-approval`: may, once another person who `may` has approved. */
export type GovernanceCell = 'may' | 'co-approval' | 'must-not';

export type GovernanceMatrix = Readonly<Record<GovernanceStage, Readonly<Record<GovernanceRole, GovernanceCell>>>>;

export const governanceMatrix: GovernanceMatrix = {
  'model-development': { 'data-scientist': 'may', 'mlops-engineer': 'co-approval', 'compliance-officer': 'must-not' },
  'data-validation': { 'data-scientist': 'co-approval', 'mlops-engineer': 'may', 'compliance-officer': 'must-not' },
  deployment: { 'data-scientist': 'must-not', 'mlops-engineer': 'may', 'compliance-officer': 'co-approval' },
  'compliance-audit': { 'data-scientist': 'must-not', 'mlops-engineer': 'must-not', 'compliance-officer': 'may' },
};
