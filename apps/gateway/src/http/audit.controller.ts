import { Controller, Get, Inject, Query, UseGuards } from '@nestjs/common';
import type { policyAuditV1 } from '@cogmesh/contracts';
import { z } from 'zod';
import type { auditSchemas } from '../openapi/audit-schemas.js';
import type { AuditOperations } from '../operations/audit.js';
import { parseJson } from '../operations/json-text.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { checked } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { cursorView, pageQuery } from './page-query.js';
import { present } from './scheduling-views.js';
import { OPERATIONS } from './tokens.js';

type View<Name extends keyof typeof auditSchemas> = z.input<(typeof auditSchemas)[Name]>;

const flag = z.enum(['true', 'false']).default('false');
const time = z.iso.datetime({ offset: true }).optional();
const text = z.string().max(512).default('');
const listQuery = pageQuery.extend({
  oldestFirst: flag,
  after: time,
  before: time,
  sub: text,
  action: text,
  resource: text,
  denied: flag,
  cross: flag,
});
const position = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional();
const verifyQuery = z
  .object({
    from: position,
    knownPosition: position,
    knownHash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  })
  .refine(({ knownPosition, knownHash }) => (knownPosition === undefined) === (knownHash === undefined), {
    message: '`knownPosition` and `knownHash` belong together',
  });

/** The decision log of the caller's organisation. */
@Controller('v1/audit')
@UseGuards(AuthenticationGuard)
export class AuditController {
  readonly #audit: AuditOperations;

  constructor(@Inject(OPERATIONS) operations: Operations) {
    this.#audit = operations.audit;
  }

  @Get()
  async list(@Caller() caller: HttpCaller, @Query() query: unknown): Promise<View<'AuditPage'>> {
    const { limit, cursor, oldestFirst, after, before, denied, cross, ...exact } = checked(listQuery, query);
    const asked = {
      ...exact,
      limit,
      pageToken: cursor,
      newestFirst: oldestFirst === 'false',
      fromMs: millisecondsOf(after),
      toMs: millisecondsOf(before),
      deniedOnly: denied === 'true',
      crossOrganisationOnly: cross === 'true',
    };
    const { entries, nextPageToken } = await this.#audit.query(caller.ask(asked));
    return { entries: entries.map(entryView), nextCursor: cursorView(nextPageToken) };
  }

  @Get('verification')
  async verify(@Caller() caller: HttpCaller, @Query() query: unknown): Promise<View<'AuditVerification'>> {
    const { from = 0, knownPosition = 0, knownHash = '' } = checked(verifyQuery, query);
    const asked = { fromPosition: BigInt(from), knownPosition: BigInt(knownPosition), knownHash };
    const answer = await this.#audit.verify(caller.ask(asked));
    const { problem } = answer;
    return {
      verified: Number(answer.verified),
      next: answer.nextPosition === 0n ? null : Number(answer.nextPosition),
      position: Number(answer.position),
      hash: answer.hash,
      firstPosition: Number(answer.firstPosition),
      problem: problem === undefined ? null : { position: Number(problem.position), problem: problem.problem },
    };
  }
}

const millisecondsOf = (text: string | undefined): bigint => (text === undefined ? 0n : BigInt(Date.parse(text)));

function entryView(entry: policyAuditV1.AuditEntry): View<'AuditEntry'> {
  const { issuer, sub, organisation, roles, attributesJson } = present(entry.subject, 'subject');
  const { position, hash, id, point, action, resource, owner, allowed, code, reason, rules } = entry;
  return {
    ...{ position: Number(position), hash, id, at: new Date(Number(entry.atMs)).toISOString(), point },
    subject: { issuer, sub, organisation, roles, attributes: objectOf(attributesJson) },
    ...{ action, resource, owner, context: objectOf(entry.contextJson), allowed, code, reason, rules },
    epoch: Number(entry.epoch),
    grant: entry.grantId === '' ? null : entry.grantId,
    ...{ decisionId: entry.decisionId, cached: entry.cached, count: entry.count },
  };
}

const objectOf = (json: string) => parseJson(json) as Record<string, unknown>;
