/** The calls about issuers and partner grants, as rows of the REST API's table. */
import type { Call, Parameter } from './call.js';

const grantId: Parameter = { name: 'id', in: 'path', description: 'Id of the grant.' };
const grantErrors = ['invalid_argument', 'not_found', 'failed_precondition'] as const;
const issuerAct = (act: 'suspend' | 'resume' | 'delete', summary: string, description: string): Call => ({
  method: 'post',
  path: `/v1/issuers/${act}`,
  id: `${act}Issuer`,
  tag: 'Partners',
  summary,
  description: `${description} Needs \`write\` on \`/issuers\`.`,
  body: { schema: 'IssuerName', required: true },
  answer:
    act === 'delete'
      ? { status: 204, description: 'It is gone.' }
      : { status: 200, description: 'The issuer.', schema: 'Issuer' },
  errors: ['invalid_argument', 'not_found', 'failed_precondition'],
});

export const partnerCalls: readonly Call[] = [
  {
    method: 'post',
    path: '/v1/token',
    id: 'exchangeToken',
    tag: 'Partners',
    summary: 'Exchange tokens for one that names who acts for whom',
    description:
      'OAuth 2.0 token exchange (RFC 8693). `subject_token` says for whom, `actor_token` who acts; `scope` keeps some of the roles. With a DPoP proof the token is bound to its key. The actor needs `act` on `/organisations/{organisation of the subject}`. Errors are OAuth’s.',
    body: { schema: 'TokenExchangeForm', mediaType: 'application/x-www-form-urlencoded', required: true },
    answer: { status: 200, description: 'The token.', schema: 'TokenAnswer' },
    also: [{ status: 400, description: 'What is wrong, in OAuth’s words.', schema: 'TokenFault' }],
    errors: ['unsupported_media_type', 'payload_too_large', 'rate_limited', 'unavailable', 'stale_policy'],
    open: true,
  },
  {
    method: 'get',
    path: '/v1/issuers',
    id: 'listIssuers',
    tag: 'Partners',
    summary: 'List the issuers of your organisation',
    description: 'Administrators of the host see everybody’s. Needs `read` on `/issuers`.',
    answer: { status: 200, description: 'The issuers.', schema: 'IssuerList' },
  },
  {
    method: 'put',
    path: '/v1/issuers',
    id: 'putIssuer',
    tag: 'Partners',
    summary: 'Register an issuer, or replace its record',
    description: 'From then on its tokens are accepted, for its organisation. Needs `write` on `/issuers`.',
    body: { schema: 'IssuerRequest', required: true },
    answer: { status: 200, description: 'The issuer.', schema: 'Issuer' },
    errors: ['invalid_argument', 'already_exists', 'failed_precondition'],
  },
  issuerAct('suspend', 'Suspend an issuer', 'Its tokens are refused until it is resumed.'),
  issuerAct('resume', 'Resume an issuer', 'Its tokens are accepted again.'),
  issuerAct('delete', 'Remove an issuer', 'Its tokens are refused.'),
  {
    method: 'get',
    path: '/v1/grants',
    id: 'listGrants',
    tag: 'Partners',
    summary: 'List the partner grants that your organisation gave, holds or passed on',
    description: 'Newest first. Needs `read` on `/grants`.',
    answer: { status: 200, description: 'The grants.', schema: 'GrantList' },
  },
  {
    method: 'post',
    path: '/v1/grants',
    id: 'createGrant',
    tag: 'Partners',
    summary: 'Offer a partner grant on your organisation’s resources',
    description:
      'Send the terms, or a grant that your organisation signed itself. It gives no right before it is accepted. Needs `write` on `/grants`.',
    body: { schema: 'GrantRequest', required: true },
    answer: { status: 201, description: 'The offer.', schema: 'Grant' },
    errors: ['invalid_argument', 'invalid_grant', 'conflict', 'failed_precondition'],
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/accept',
    id: 'acceptGrant',
    tag: 'Partners',
    summary: 'Accept a grant that your organisation was offered',
    description: 'Needs `write` on `/grants`.',
    parameters: [grantId],
    answer: { status: 200, description: 'The grant, in force.', schema: 'Grant' },
    errors: ['not_found', 'failed_precondition'],
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/delegate',
    id: 'delegateGrant',
    tag: 'Partners',
    summary: 'Pass a part of a grant on to a third organisation',
    description: 'Where the grant allows it, once, and within its terms. Needs `write` on `/grants`.',
    parameters: [grantId],
    body: { schema: 'GrantTerms', required: true },
    answer: { status: 201, description: 'The offer.', schema: 'Grant' },
    errors: grantErrors,
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/revoke',
    id: 'revokeGrant',
    tag: 'Partners',
    summary: 'Revoke a grant, for good, and all that was passed on from it',
    description: 'By whoever gave, holds or passed it on. Idempotent. Needs `write` on `/grants`.',
    parameters: [grantId],
    body: { schema: 'RevokeRequest', required: false },
    answer: { status: 200, description: 'The grant.', schema: 'Grant' },
    errors: grantErrors,
  },
];
