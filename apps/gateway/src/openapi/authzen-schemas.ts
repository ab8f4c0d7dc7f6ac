/** Bodies of the Authorization API as the OpenAPI document shows them. They are checked by authzen/*, which says more when one is wrong. */
import { z } from 'zod';

const properties = z
  .record(z.string(), z.unknown())
  .optional()
  .meta({ description: 'Counts only from enforcement points, and only under names that are allowed for them.' });

const AuthzenEntity = z.object({ type: z.string(), id: z.string(), properties });
const Sought = z.object({ type: z.string(), properties });
const AuthzenAction = z.object({ name: z.string(), properties });
const context = z.record(z.string(), z.unknown()).optional();

const Evaluation = z.object({
  subject: AuthzenEntity,
  action: AuthzenAction,
  resource: AuthzenEntity,
  context,
});

const Evaluations = z
  .object({
    ...Evaluation.partial().shape,
    evaluations: z.array(Evaluation.partial()).optional(),
    options: z
      .object({
        evaluations_semantic: z.enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']).optional(),
        decision_ids: z
          .boolean()
          .optional()
          .meta({ description: 'Whether each answer tells the id of its decision; default no.' }),
      })
      .optional(),
  })
  .meta({ description: 'What stands at the top stands in for what an evaluation leaves out.' });

const AccessDecision = z.object({
  decision: z.boolean(),
  context: z
    .object({
      id: z.string().optional().meta({ description: 'Of the decision, as in traces and the decision log.' }),
      code: z.string().optional(),
      reason_admin: z.record(z.string(), z.string()).optional(),
      obligations: z
        .array(
          z.object({
            id: z.string(),
            type: z.string().optional(),
            properties: z.record(z.string(), z.unknown()).optional(),
          }),
        )
        .optional()
        .meta({ description: 'An enforcement point that does not know one must refuse.' }),
      error: z.object({ status: z.int(), message: z.string() }).optional(),
    })
    .optional(),
});

const AccessDecisions = z
  .union([z.object({ evaluations: z.array(AccessDecision) }), AccessDecision])
  .meta({ description: 'One decision when one was asked for without `evaluations`.' });

const page = z
  .object({
    token: z.string().optional().meta({ description: '`next_token` of the page before.' }),
    limit: z.int().min(0).optional().meta({ description: 'Default 100, at most 1,000.' }),
    properties: z.record(z.string(), z.unknown()).optional(),
  })
  .optional();

const SubjectSearch = z.object({
  subject: Sought,
  action: AuthzenAction,
  resource: AuthzenEntity,
  context,
  page,
});
const ResourceSearch = z.object({
  subject: AuthzenEntity,
  action: AuthzenAction,
  resource: Sought,
  context,
  page,
});
const ActionSearch = z.object({ subject: AuthzenEntity, resource: AuthzenEntity, context, page });

const foundPage = z.object({
  next_token: z.string().meta({ description: 'Empty on the last page.' }),
  count: z.int(),
});
const EntitiesFound = z.object({
  page: foundPage,
  results: z.array(z.object({ type: z.string(), id: z.string() })),
});
const ActionsFound = z.object({ page: foundPage, results: z.array(z.object({ name: z.string() })) });

const AuthzenConfiguration = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string(),
  search_subject_endpoint: z.string(),
  search_resource_endpoint: z.string(),
  search_action_endpoint: z.string(),
  capabilities: z.array(z.string()),
});

export const authzenSchemas = {
  AccessDecision,
  AccessDecisions,
  ActionSearch,
  ActionsFound,
  AuthzenConfiguration,
  EntitiesFound,
  Evaluation,
  Evaluations,
  ResourceSearch,
  SubjectSearch,
} as const;
