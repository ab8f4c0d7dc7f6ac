/** Bodies of the calls about issuers and partner grants. */
import { z } from 'zod';

const name = z.string().min(1).max(512);
const names = z.array(z.string().min(1).max(512)).max(200);

export const ClaimMap = z.object({
  subject: name.optional().meta({ description: 'Claim that names the subject. Default `sub`.' }),
  roles: name.optional().meta({
    description:
      'Claim with the roles, a list or one text with spaces: its name, or a JSON pointer such as `/realm_access/roles`.',
  }),
  roleNames: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: 'What the issuer calls a role: what it is called here.' }),
  attributes: z.record(z.string(), name).optional().meta({ description: 'Attribute: claim.' }),
});

export const IssuerRequest = z
  .object({
    issuer: name.meta({ description: 'Exact `iss`.' }),
    organisation: z.string().max(63).default('').meta({ description: 'Default: your own.' }),
    jwksUri: z
      .string()
      .max(2_048)
      .optional()
      .meta({ description: 'Where its keys are: https, fetched from exactly there.' }),
    jwks: z
      .object({ keys: z.array(z.record(z.string(), z.unknown())) })
      .optional()
      .meta({ description: 'Its public keys, in place of `jwksUri`.' }),
    algorithms: z
      .array(z.enum(['EdDSA', 'ES256', 'RS256', 'PS256']))
      .min(1)
      .default(['EdDSA', 'ES256', 'RS256']),
    audience: name.default('cogmesh'),
    allowedRoles: names.default([]).meta({ description: 'Roles its tokens may claim at all.' }),
    allowedAttributes: names.default([]).meta({ description: 'Claims that conditions get to see.' }),
    maxTtlSeconds: z.int().min(1).max(86_400).default(3_600),
    suspended: z.boolean().default(false),
    tokenTypes: z
      .array(z.string().max(64))
      .max(8)
      .default(['at+jwt'])
      .meta({ description: 'Accepted `typ` headers, lower-case, `""` for none.' }),
    claimMap: ClaimMap.optional(),
    profile: z.enum(['at+jwt', '']).default('').meta({ description: '`at+jwt` holds every token to RFC 9068.' }),
    dpopRequired: z.boolean().default(false).meta({ description: 'Only tokens bound to a key (RFC 9449).' }),
    keyOverlapSeconds: z.int().min(0).max(86_400).default(300).meta({
      description: 'How long a key that left `jwksUri` still verifies what it signed before, seconds.',
    }),
  })
  .refine(({ jwks, jwksUri }) => (jwks === undefined) !== (jwksUri === undefined), 'needs one of jwks and jwksUri');
export const Issuer = z.looseObject({ issuer: z.string(), organisation: z.string(), suspended: z.boolean() });
export const IssuerList = z.object({ issuers: z.array(Issuer) });
export const IssuerName = z.object({ issuer: name });

export const GrantTerms = z.object({
  grantee: z.string().min(1).max(63).meta({ description: 'Organisation that may use what is granted.' }),
  actions: names.meta({ description: 'Action names, or `*`.' }),
  resources: names.meta({ description: 'Globs over canonical paths of your resources.' }),
  roles: names.optional().meta({ description: 'Roles of their subjects that count here; all when absent.' }),
  attributes: names.optional().meta({ description: 'Attributes of their subjects that count here; all when absent.' }),
  purpose: z.string().min(1).max(500),
  notBefore: z.iso.datetime().optional(),
  expiresAt: z.iso.datetime().meta({ description: 'At most 90 days after the beginning.' }),
  delegations: z.int().min(0).max(1).default(0).meta({ description: 'How often it may be passed on.' }),
});
export const SignedGrant = z.object({ jws: z.string().max(16_384) });
export const GrantRequest = z.union([SignedGrant, GrantTerms]);
export const Grant = z.object({
  id: z.string(),
  grantor: z.string(),
  grantee: z.string(),
  state: z.enum(['offered', 'accepted', 'revoked']),
  actions: z.array(z.string()),
  resources: z.array(z.string()),
  roles: z.array(z.string()).nullable(),
  attributes: z.array(z.string()).nullable(),
  purpose: z.string(),
  notBefore: z.iso.datetime().nullable(),
  expiresAt: z.iso.datetime(),
  delegations: z.int(),
  parentId: z.string().nullable(),
  delegatedBy: z.string().nullable(),
  createdBy: z.string(),
  createdAt: z.iso.datetime(),
  acceptedBy: z.string().nullable(),
  acceptedAt: z.iso.datetime().nullable(),
  revokedBy: z.string().nullable(),
  revokedAt: z.iso.datetime().nullable(),
  revokeReason: z.string().nullable(),
  jws: z.string(),
});
export const GrantList = z.object({ grants: z.array(Grant) });
export const RevokeRequest = z.object({ reason: z.string().max(500).default('') });

const tokenType = z.enum(['urn:ietf:params:oauth:token-type:access_token', 'urn:ietf:params:oauth:token-type:jwt']);
const TokenExchangeForm = z.object({
  grant_type: z.literal('urn:ietf:params:oauth:grant-type:token-exchange'),
  subject_token: z.string(),
  subject_token_type: tokenType,
  actor_token: z.string().optional(),
  actor_token_type: tokenType.optional(),
  requested_token_type: tokenType.optional(),
  scope: z.string().optional().meta({ description: 'Roles to keep, with spaces between them.' }),
  audience: z.literal('cogmesh').optional(),
});
const TokenAnswer = z.object({
  access_token: z.string(),
  issued_token_type: z.string(),
  token_type: z.enum(['Bearer', 'DPoP']),
  expires_in: z.int().meta({ description: 'Seconds.' }),
  scope: z.string(),
});
const TokenFault = z.object({ error: z.string(), error_description: z.string() });

/** Those that the document names. */
export const partnerSchemas = {
  TokenExchangeForm,
  TokenAnswer,
  TokenFault,
  IssuerRequest,
  Issuer,
  IssuerList,
  IssuerName,
  GrantTerms,
  GrantRequest,
  Grant,
  GrantList,
  RevokeRequest,
};
