/** The calls on the decision log, as rows of the REST API's table. */
import type { Call, Parameter } from './call.js';

const time = { type: 'string', format: 'date-time' };
const flag = { type: 'boolean', default: false };
const position = { type: 'integer', minimum: 1 };

const filters: readonly Parameter[] = [
  { name: 'after', in: 'query', description: 'Decided at or after this time.', schema: time },
  { name: 'before', in: 'query', description: 'Decided before this time.', schema: time },
  { name: 'sub', in: 'query', description: 'Only this subject.' },
  { name: 'action', in: 'query', description: 'Only this action.' },
  { name: 'resource', in: 'query', description: 'Only this path, or what is below it when it ends with `/`.' },
  { name: 'denied', in: 'query', description: 'Only refusals.', schema: flag },
  { name: 'cross', in: 'query', description: 'Only across organisations.', schema: flag },
];

export const auditCalls: readonly Call[] = [
  {
    method: 'get',
    path: '/v1/audit',
    id: 'listAudit',
    tag: 'Policies',
    summary: 'Read the decision log of your organisation, newest first',
    description:
      'Needs `read` on `/audit`. Holds every decision about your people and about what your organisation owns.',
    parameters: [
      {
        name: 'limit',
        in: 'query',
        description: 'Entries per page.',
        schema: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
      },
      { name: 'cursor', in: 'query', description: '`nextCursor` of the page before.' },
      { name: 'oldestFirst', in: 'query', description: 'In the order of the chain.', schema: flag },
      ...filters,
    ],
    answer: { status: 200, description: 'One page.', schema: 'AuditPage' },
    errors: ['invalid_argument'],
  },
  {
    method: 'get',
    path: '/v1/audit/verification',
    id: 'verifyAudit',
    tag: 'Policies',
    summary: 'Compute the hash chain of the decision log anew',
    description: 'Needs `read` on `/audit`. Looks at a part of the chain; go on from `next` until it is null.',
    parameters: [
      { name: 'from', in: 'query', description: 'First position; the oldest when absent.', schema: position },
      { name: 'knownPosition', in: 'query', description: '`position` of an earlier answer.', schema: position },
      { name: 'knownHash', in: 'query', description: '`hash` of that answer: the chain must still hold it.' },
    ],
    answer: { status: 200, description: 'What is right, or the first place that is not.', schema: 'AuditVerification' },
    errors: ['invalid_argument', 'conflict'],
  },
];
