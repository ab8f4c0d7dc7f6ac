/** The OpenID AuthZEN Authorization API 1.0, as rows of the API's table. */
import type { ErrorCode } from '@cogmesh/errors';
import type { Call, Parameter } from './call.js';
import type { SchemaName } from './components.js';

const requestId: Parameter = {
  name: 'X-Request-ID',
  in: 'header',
  description: 'Any text; comes back in the answer.',
};
const errors: readonly ErrorCode[] = ['invalid_json', 'invalid_argument', 'payload_too_large'];
const headers = { 'X-Request-ID': 'The request’s, when it had one.' };

interface Row {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly asked: SchemaName;
  readonly answered: SchemaName;
}

const rows: readonly Row[] = [
  {
    path: 'evaluation',
    id: 'evaluateAccess',
    summary: 'May the subject do this?',
    description:
      'Anybody may ask about itself. To ask about others of the own organisation takes `evaluate` on `/access`, or the role of an enforcement point. A refusal is 200 with `decision: false`.',
    asked: 'Evaluation',
    answered: 'AccessDecision',
  },
  {
    path: 'evaluations',
    id: 'evaluateAccesses',
    summary: 'Many such questions at once',
    description: 'Answered in order. What is wrong with one evaluation is its `context.error`.',
    asked: 'Evaluations',
    answered: 'AccessDecisions',
  },
  {
    path: 'search/subject',
    id: 'searchSubjects',
    summary: 'Who may do this?',
    asked: 'SubjectSearch',
    answered: 'EntitiesFound',
  },
  {
    path: 'search/resource',
    id: 'searchResources',
    summary: 'On which resources may the subject do this?',
    asked: 'ResourceSearch',
    answered: 'EntitiesFound',
  },
  {
    path: 'search/action',
    id: 'searchActions',
    summary: 'What may the subject do with this?',
    asked: 'ActionSearch',
    answered: 'ActionsFound',
  },
];

const configuration = {
  method: 'get',
  tag: 'AuthZEN',
  open: true,
  errors: ['not_found'],
  answer: { status: 200, description: 'Where the decision point is.', schema: 'AuthzenConfiguration' },
} as const;

export const authzenCalls: readonly Call[] = [
  ...rows.map(({ path, id, summary, description, asked, answered }): Call => ({
    method: 'post',
    path: `/access/v1/${path}`,
    id,
    tag: 'AuthZEN',
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [requestId],
    body: { schema: asked, required: true },
    answer: { status: 200, description: 'The answer.', schema: answered, headers },
    errors,
  })),
  {
    ...configuration,
    path: '/.well-known/authzen-configuration',
    id: 'authzenConfiguration',
    summary: 'The decision point’s discovery document',
  },
  {
    ...configuration,
    path: '/.well-known/authzen-configuration/{tenant}',
    id: 'authzenTenantConfiguration',
    summary: 'The same for the decision point of a tenant',
    parameters: [{ name: 'tenant', in: 'path', description: 'Name of the tenant.' }],
  },
];
