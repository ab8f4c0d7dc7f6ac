/** Bodies of the calls on policy versions and candidates. */
import { z } from 'zod';
import { PolicySet } from './schemas.js';

/** What a change is for. */
export const Note = z.string().max(500).default('');

const time = z.iso.datetime({ offset: true });

export const PolicyVersion = z.object({
  epoch: z.int(),
  writtenBy: z.string().meta({ description: '`sub (issuer)`, or `bootstrap`.' }),
  writtenAt: z.string().nullable(),
  note: z.string(),
  live: z.boolean().meta({ description: 'It is the one in force.' }),
  policies: z.int(),
  grants: z.int(),
});
export const PolicyVersionPage = z.object({
  versions: z.array(PolicyVersion),
  nextBefore: z.int().nullable().meta({ description: '`before` of the next page.' }),
});
export const HeldVersion = z.object({ version: PolicyVersion, policySet: PolicySet });

export const PolicyFlip = z.object({
  organisation: z.string().meta({ description: 'Of the caller.' }),
  subject: z.string(),
  action: z.string(),
  resource: z.string(),
  owner: z.string(),
  liveCode: z.string(),
  candidateCode: z.string(),
  liveReason: z.string(),
  candidateReason: z.string(),
  count: z.int(),
  lastAt: z.string().nullable(),
});
export const PolicyCandidate = z.object({
  id: z.string(),
  basedOnEpoch: z.int(),
  writtenBy: z.string(),
  writtenAt: z.string().nullable(),
  note: z.string(),
  compared: z.int().meta({ description: 'Live decisions that were held against it.' }),
  skipped: z.int().meta({ description: 'Live decisions that came too fast for that.' }),
  flipsToDeny: z.int(),
  flipsToAllow: z.int(),
  flips: z.array(PolicyFlip).meta({ description: 'Distinct ones, most frequent first; at most 200.' }),
});
export const HeldCandidate = z.object({ candidate: PolicyCandidate, policySet: PolicySet });

const epoch = z
  .int()
  .min(1)
  .max(2 ** 53 - 1);
export const RollbackRequest = z.strictObject({ toEpoch: epoch });
export const PromoteRequest = z.strictObject({ candidate: z.string().min(1).max(64) });
export const SimulateRequest = z.strictObject({
  policySet: PolicySet.optional().meta({ description: 'The candidate when absent.' }),
  from: time.optional(),
  to: time.optional(),
  limit: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .meta({ description: 'Recorded decisions at most; 10,000 when absent.' }),
});
export const Simulation = z.object({
  replayed: z.int(),
  unchanged: z.int(),
  undecidable: z.int().meta({ description: 'The log masks what the answer may rest on.' }),
  flipsToDeny: z.int(),
  flipsToAllow: z.int(),
  flips: z.array(PolicyFlip),
  flipsNotListed: z.int(),
  truncated: z.boolean(),
});

export const policySchemas = {
  HeldCandidate,
  HeldVersion,
  PolicyCandidate,
  PolicyFlip,
  PolicyVersion,
  PolicyVersionPage,
  PromoteRequest,
  RollbackRequest,
  SimulateRequest,
  Simulation,
} as const;
