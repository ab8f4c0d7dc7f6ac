/** The calls about revocations, as rows of the REST API's table. */
import type { Call } from './call.js';

const consistency =
  'The answer’s `Cogmesh-Consistency-Token`, sent along with a later call, makes that call see this write.';

export const revocationCalls: readonly Call[] = [
  {
    method: 'get',
    path: '/v1/revocations',
    id: 'listRevocations',
    tag: 'Policies',
    summary: 'List what your organisation has revoked',
    description: 'Newest first. Needs `read` on `/revocations`.',
    parameters: [
      { name: 'limit', in: 'query', description: '1 to 1,000; default 100.' },
      { name: 'pageToken', in: 'query', description: '`nextPageToken` of the page before.' },
    ],
    answer: { status: 200, description: 'One page.', schema: 'RevocationList' },
    errors: ['invalid_argument'],
  },
  {
    method: 'post',
    path: '/v1/revocations',
    id: 'revoke',
    tag: 'Policies',
    summary: 'Revoke a token, subject, issuer, grant or key',
    description: `In force at every enforcement point within its staleness bound, usually at once; open streams end. ${consistency} Needs \`write\` on \`/revocations\`.`,
    body: { schema: 'RevokeRequest', required: true },
    answer: { status: 200, description: 'The revocation.', schema: 'Revocation' },
    errors: ['invalid_argument', 'not_found', 'overloaded'],
  },
  {
    method: 'post',
    path: '/v1/revocations/lift',
    id: 'liftRevocation',
    tag: 'Policies',
    summary: 'Take a revocation back',
    description: `${consistency} Needs \`write\` on \`/revocations\`.`,
    body: { schema: 'RevokedThing', required: true },
    answer: { status: 204, description: 'It is not revoked any more.' },
    errors: ['invalid_argument', 'not_found'],
  },
];
