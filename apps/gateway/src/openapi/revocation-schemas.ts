/** Bodies of the calls about revocations. */
import { z } from 'zod';

export const revocationKinds = ['token', 'subject', 'issuer', 'grant', 'key'] as const;

const thing = {
  kind: z.enum(revocationKinds),
  issuer: z.string().max(512).default('').meta({
    description: 'Exact `iss`; `org:<organisation>` for the key that signs its grants; absent for a grant.',
  }),
  value: z.string().max(256).default('').meta({
    description: 'The token’s `jti`, the subject’s `sub`, the grant’s id or the key’s `kid`; absent for an issuer.',
  }),
};

export const RevokedThing = z.object(thing);
export const RevokeRequest = z.object({
  ...thing,
  reason: z.string().max(256).default('').meta({ description: 'Why, for people.' }),
  until: z.iso.datetime().optional().meta({ description: 'When the thing ends by itself; default: for good.' }),
});
export const Revocation = z.object({
  ...thing,
  reason: z.string(),
  revokedBy: z.string(),
  revokedAt: z.iso.datetime(),
  until: z.iso.datetime().nullable(),
});
export const RevocationList = z.object({ revocations: z.array(Revocation), nextPageToken: z.string() });

export const revocationSchemas = { RevokedThing, RevokeRequest, Revocation, RevocationList } as const;
