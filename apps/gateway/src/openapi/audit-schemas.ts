/** What the calls on the decision log answer. */
import { z } from 'zod';

const masked = z.record(z.string(), z.unknown()).meta({ description: 'Values that may not be logged are `***`.' });

export const AuditEntry = z.object({
  position: z.int().meta({ description: 'Place in the chain, from 1 without gaps.' }),
  hash: z.string().meta({ description: 'SHA-256 over the entry, its place and the hash before it.' }),
  id: z.string().meta({ description: 'The same in the chains of both organisations of a call.' }),
  at: z.string().meta({ description: 'When it was decided.' }),
  point: z.string().meta({ description: 'Where: `gateway`, or the service that is guarded.' }),
  subject: z.object({
    issuer: z.string(),
    sub: z.string(),
    organisation: z.string(),
    roles: z.array(z.string()),
    attributes: masked,
  }),
  action: z.string(),
  resource: z.string(),
  owner: z.string(),
  context: masked,
  allowed: z.boolean(),
  code: z.string(),
  reason: z.string(),
  rules: z.array(z.string()),
  epoch: z.int(),
  grant: z.string().nullable().meta({ description: 'The partner grant it rests on.' }),
  decisionId: z.string(),
  cached: z.boolean(),
  count: z.int().meta({ description: 'Equal decisions this entry stands for.' }),
});
export const AuditPage = z.object({
  entries: z.array(AuditEntry),
  nextCursor: z.string().nullable().meta({
    description: 'A page may hold fewer entries than asked for, even none, with more to come.',
  }),
});
export const AuditVerification = z.object({
  verified: z.int().meta({ description: 'Entries whose hash was computed anew and is right.' }),
  next: z.int().nullable().meta({ description: '`from` of the next call; null at the end and after a problem.' }),
  position: z.int().meta({ description: 'The last entry that is right.' }),
  hash: z.string().meta({ description: 'Its hash: keep both to prove later that nothing before was changed.' }),
  firstPosition: z.int().meta({ description: 'Oldest position that is kept.' }),
  problem: z.object({ position: z.int(), problem: z.string() }).nullable(),
});

export const auditSchemas = { AuditEntry, AuditPage, AuditVerification } as const;
