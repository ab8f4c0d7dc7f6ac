import { Body, Controller, Get, HttpCode, Inject, Post, Put, Req, Res, UseGuards } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Note } from '../openapi/policy-schemas.js';
import * as schemas from '../openapi/schemas.js';
import type { Operations } from '../operations/operations.js';
import { parseJson } from '../operations/json-text.js';
import { pathOf } from '../operations/right.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, consistencyHeader, type HttpCaller } from './caller.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';
import { explanationView } from './views.js';

/** The caller's own organisation's policies, and why a request would be allowed or denied. */
@Controller('v1')
@UseGuards(AuthenticationGuard)
export class PoliciesController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post('policy/explain')
  @HttpCode(200)
  async explain(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const { action, resource } = await body.json(schemas.ExplainRequest, this.settings.jsonBodyBytes);
    const path = typeof resource === 'string' ? resource : pathOf(resource);
    const { decision, rules } = await this.operations.explainPolicy(caller.ask({ action, resource: path }));
    return explanationView(decision, rules);
  }

  @Get('policies')
  async read(@Caller() caller: HttpCaller, @Res({ passthrough: true }) reply: FastifyReply) {
    const { policySetJson, epoch } = await this.operations.getPolicies(caller.ask({}));
    reply.header('etag', `"${epoch}"`);
    return { epoch: Number(epoch), policySet: parseJson(policySetJson) };
  }

  @Put('policies')
  async replace(
    @Caller() caller: HttpCaller,
    @Req() { headers, query }: FastifyRequest,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const expectedEpoch = epochOf(headers['if-match']);
    const { note } = query as { note?: unknown };
    const policySetJson = await body.text(this.settings.jsonBodyBytes);
    const { epoch, consistencyToken } = await this.operations.putPolicies(
      caller.ask({ policySetJson, expectedEpoch, note: checked(Note, note) }),
    );
    reply.header('etag', `"${epoch}"`);
    reply.header(consistencyHeader, consistencyToken);
    return { epoch: Number(epoch) };
  }
}

/** `If-Match: "7"`; 0 when the caller does not mind. */
export function epochOf(ifMatch: string | undefined): bigint {
  if (ifMatch === undefined || ifMatch === '*') return 0n;
  const epoch = /^"(\d{1,18})"$/.exec(ifMatch)?.[1];
  if (epoch !== undefined) return BigInt(epoch);
  throw new CogmeshError('invalid_argument', 'If-Match holds the ETag of GET /v1/policies, for example "7"');
}
