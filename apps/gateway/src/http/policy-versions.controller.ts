import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Put,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import * as schemas from '../openapi/policy-schemas.js';
import { parseJson } from '../operations/json-text.js';
import type { Operations } from '../operations/operations.js';
import type { PolicyVersionOperations } from '../operations/policy-versions.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { epochOf } from './policies.controller.js';
import { candidateView, simulationView, versionView } from './policy-views.js';
import { present } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

const epoch = z.coerce
  .number()
  .int()
  .min(1)
  .max(2 ** 53 - 1);
const pageQuery = z.object({ limit: z.coerce.number().int().min(1).max(200).default(50), before: epoch.optional() });
const noteQuery = z.object({ note: schemas.Note });

/** Earlier policy sets of the caller's organisation, its candidate, and replays of its decision log. */
@Controller('v1/policies')
@UseGuards(AuthenticationGuard)
export class PolicyVersionsController {
  readonly #versions: PolicyVersionOperations;

  constructor(
    @Inject(OPERATIONS) operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {
    this.#versions = operations.policyVersions;
  }

  @Get('versions')
  async list(@Caller() caller: HttpCaller, @Query() query: unknown) {
    const { limit, before = 0 } = checked(pageQuery, query);
    const { versions, nextBefore } = await this.#versions.list(caller.ask({ limit, before: BigInt(before) }));
    return { versions: versions.map(versionView), nextBefore: nextBefore === 0n ? null : Number(nextBefore) };
  }

  @Get('versions/:epoch')
  async read(@Caller() caller: HttpCaller, @Param('epoch') text: string) {
    const wanted = BigInt(checked(epoch, text));
    const { version, policySetJson } = await this.#versions.get(caller.ask({ epoch: wanted }));
    return { version: versionView(present(version, 'version')), policySet: parseJson(policySetJson) };
  }

  @Post('rollback')
  @HttpCode(200)
  async rollback(
    @Caller() caller: HttpCaller,
    @Headers('if-match') ifMatch: string | undefined,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const expectedEpoch = epochOf(ifMatch);
    const { toEpoch } = await body.json(schemas.RollbackRequest, this.settings.jsonBodyBytes);
    const written = await this.#versions.rollback(caller.ask({ toEpoch: BigInt(toEpoch), expectedEpoch }));
    return tagged(written.epoch, reply);
  }

  @Get('candidate')
  async candidate(@Caller() caller: HttpCaller) {
    const { candidate, policySetJson } = await this.#versions.getCandidate(caller.ask({}));
    return { candidate: candidateView(present(candidate, 'candidate')), policySet: parseJson(policySetJson) };
  }

  @Put('candidate')
  async putCandidate(@Caller() caller: HttpCaller, @Query() query: unknown, @Body(BodyPipe) body: BodyReader) {
    const { note } = checked(noteQuery, query);
    const policySetJson = await body.text(this.settings.jsonBodyBytes);
    const { candidate } = await this.#versions.putCandidate(caller.ask({ policySetJson, note }));
    return candidateView(present(candidate, 'candidate'));
  }

  @Delete('candidate')
  @HttpCode(204)
  async dropCandidate(@Caller() caller: HttpCaller) {
    await this.#versions.dropCandidate(caller.ask({}));
  }

  @Post('candidate/promote')
  @HttpCode(200)
  async promote(
    @Caller() caller: HttpCaller,
    @Headers('if-match') ifMatch: string | undefined,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const expectedEpoch = epochOf(ifMatch);
    const { candidate } = await body.json(schemas.PromoteRequest, this.settings.jsonBodyBytes);
    const written = await this.#versions.promote(caller.ask({ candidateId: candidate, expectedEpoch }));
    return tagged(written.epoch, reply);
  }

  @Post('simulate')
  @HttpCode(200)
  async simulate(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const { policySet, from, to, limit } = await body.json(schemas.SimulateRequest, this.settings.jsonBodyBytes);
    const input = {
      policySetJson: policySet === undefined ? '' : JSON.stringify(policySet),
      ...(from === undefined ? {} : { from: timestampFromDate(new Date(from)) }),
      ...(to === undefined ? {} : { to: timestampFromDate(new Date(to)) }),
      ...(limit === undefined ? {} : { limit }),
    };
    return simulationView(await this.#versions.simulate(caller.ask(input)));
  }
}

function tagged(written: bigint, reply: FastifyReply) {
  reply.header('etag', `"${written}"`);
  return { epoch: Number(written) };
}
