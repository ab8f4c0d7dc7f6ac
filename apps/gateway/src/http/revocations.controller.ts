import { Body, Controller, Get, HttpCode, Inject, Post, Query, Res, UseGuards } from '@nestjs/common';
import { revocationV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { FastifyReply } from 'fastify';
import * as schemas from '../openapi/revocation-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, type BodyReader } from './body.js';
import { Caller, consistencyHeader, type HttpCaller } from './caller.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

type Kind = (typeof schemas.revocationKinds)[number];

const { TOKEN, SUBJECT, ISSUER, GRANT, KEY } = revocationV1.RevocationKind;
const messageKinds = { token: TOKEN, subject: SUBJECT, issuer: ISSUER, grant: GRANT, key: KEY } as const;

/** What the caller's organisation has revoked. */
@Controller('v1/revocations')
@UseGuards(AuthenticationGuard)
export class RevocationsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get()
  async list(
    @Caller() caller: HttpCaller,
    @Query('limit') limit: string | undefined,
    @Query('pageToken') pageToken: string | undefined,
  ) {
    const wanted = { limit: limitOf(limit), pageToken: pageToken ?? '' };
    const page = await this.operations.listRevocations(caller.ask(wanted));
    return { revocations: page.revocations.map(revocationView), nextPageToken: page.nextPageToken };
  }

  @Post()
  @HttpCode(200)
  async revoke(
    @Caller() caller: HttpCaller,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { kind, issuer, value, reason, until } = await body.json(schemas.RevokeRequest, this.settings.jsonBodyBytes);
    const thing = { kind: messageKinds[kind], issuer, value };
    const untilMs = until === undefined ? 0 : Date.parse(until);
    const answer = await this.operations.revoke(caller.ask({ thing, reason, untilMs }));
    reply.header(consistencyHeader, answer.consistencyToken);
    if (answer.revocation === undefined) throw new CogmeshError('internal', 'a revocation without its record');
    return revocationView(answer.revocation);
  }

  @Post('lift')
  @HttpCode(204)
  async lift(
    @Caller() caller: HttpCaller,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { kind, ...thing } = await body.json(schemas.RevokedThing, this.settings.jsonBodyBytes);
    const answer = await this.operations.liftRevocation(caller.ask({ thing: { kind: messageKinds[kind], ...thing } }));
    reply.header(consistencyHeader, answer.consistencyToken);
  }
}

function limitOf(limit: string | undefined): number {
  if (limit === undefined) return 0;
  if (/^\d{1,4}$/.test(limit) && Number(limit) > 0) return Number(limit);
  throw new CogmeshError('invalid_argument', 'limit is a number from 1 to 1,000');
}

function revocationView({ thing, reason, revokedBy, revokedAtMs, untilMs }: revocationV1.Revocation) {
  const kind = (Object.keys(messageKinds) as Kind[]).find((name) => messageKinds[name] === thing?.kind);
  return {
    kind: kind ?? 'token',
    issuer: thing?.issuer ?? '',
    value: thing?.value ?? '',
    reason,
    revokedBy,
    revokedAt: new Date(Number(revokedAtMs)).toISOString(),
    until: untilMs === 0n ? null : new Date(Number(untilMs)).toISOString(),
  };
}
