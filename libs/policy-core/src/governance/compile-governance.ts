/**
 * The governance matrix as policies. `may` allows, `must-not` denies (and a denial wins, also over a second role of the same
 * person), `co-approval` allows with an obligation that names who has to approve. An enforcement point that does not know
 * the obligation refuses, so a cell is never wider where it is less well understood.
 */
import type { PolicyDocument } from '../types.js';
import {
  governanceMatrix,
  governanceRoles,
  governanceStages,
  type GovernanceCell,
  type GovernanceMatrix,
  type GovernanceRole,
  type GovernanceStage,
} from './matrix.js';

/** What is done in a stage: actions on resources, as in a policy. */
export interface StageWork {
  readonly permissions: readonly string[];
  readonly resources: readonly string[];
}

export interface GovernanceOptions {
  readonly matrix?: GovernanceMatrix;
  /** Stages without work of their own are `perform` on `/stages/<stage>` and below. */
  readonly work?: Readonly<Partial<Record<GovernanceStage, StageWork>>>;
}

/** Type of the obligation of a `co-approval` cell; its properties are `{ stage, roles }`. */
export const coApproval = 'co-approval';

/** Rules for one organisation's own people, at most three per stage. */
export function governancePolicies({ matrix = governanceMatrix, work = {} }: GovernanceOptions = {}): PolicyDocument[] {
  return governanceStages.flatMap((stage) => stageRules(stage, matrix[stage], work[stage] ?? ownWork(stage)));
}

const ownWork = (stage: GovernanceStage): StageWork => ({
  permissions: ['perform'],
  resources: [`/stages/${stage}/**`],
});

function stageRules(
  stage: GovernanceStage,
  cells: Readonly<Record<GovernanceRole, GovernanceCell>>,
  { permissions, resources }: StageWork,
): PolicyDocument[] {
  const holders = rolesWith(cells, 'may');
  const helped = rolesWith(cells, 'co-approval');
  const shut = rolesWith(cells, 'must-not');
  const rule = (kind: GovernanceCell, policy: string): PolicyDocument => ({
    id: `governance-${stage}-${kind}`,
    policy,
    permissions,
    resources,
    effect: kind === 'must-not' ? 'deny' : 'allow',
  });
  const needed = { id: coApproval, type: coApproval, properties: { stage, roles: holders } };
  return [
    ...(holders.length === 0 ? [] : [rule('may', `role in ${list(holders)}`)]),
    ...(helped.length === 0 || holders.length === 0
      ? []
      : [{ ...rule('co-approval', withoutHolders(helped, holders)), obligations: [needed] }]),
    ...(shut.length === 0 ? [] : [rule('must-not', shut.map((role) => `'${role}' in roles`).join(' || '))]),
  ];
}

/** Who also holds a role that may needs nobody's approval. */
function withoutHolders(helped: readonly string[], holders: readonly string[]): string {
  return [`role in ${list(helped)}`, ...holders.map((role) => `!('${role}' in roles)`)].join(' && ');
}

function rolesWith(cells: Readonly<Record<GovernanceRole, GovernanceCell>>, cell: GovernanceCell): GovernanceRole[] {
  return governanceRoles.filter((role) => cells[role] === cell);
}

const list = (names: readonly string[]) => `[${names.map((name) => `'${name}'`).join(', ')}]`;
