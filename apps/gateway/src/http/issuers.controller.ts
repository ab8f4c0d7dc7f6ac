import { Body, Controller, Get, HttpCode, Inject, Post, Put, UseGuards } from '@nestjs/common';
import { issuerOfMessage } from '@cogmesh/identity';
import type { policyV1 } from '@cogmesh/contracts';
import type { z } from 'zod';
import * as schemas from '../openapi/partner-schemas.js';
import { parseJson } from '../operations/json-text.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { present } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

/** Whose tokens are accepted. An issuer's name is a URL, so it stands in the body and never in the path. */
@Controller('v1/issuers')
@UseGuards(AuthenticationGuard)
export class IssuersController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get()
  async list(@Caller() caller: HttpCaller) {
    const { issuers } = await this.operations.listIssuers(caller.ask({}));
    return { issuers: issuers.map(issuerView) };
  }

  @Put()
  async put(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const wanted = await body.json(schemas.IssuerRequest, this.settings.jsonBodyBytes);
    const { issuer } = await this.operations.putIssuer(caller.ask({ issuer: messageOf(wanted) }));
    return issuerView(present(issuer, 'issuer'));
  }

  @Post('suspend')
  @HttpCode(200)
  async suspend(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const { issuer } = await this.operations.suspendIssuer(caller.ask(await this.#named(body)));
    return issuerView(present(issuer, 'issuer'));
  }

  @Post('resume')
  @HttpCode(200)
  async resume(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const { issuer } = await this.operations.resumeIssuer(caller.ask(await this.#named(body)));
    return issuerView(present(issuer, 'issuer'));
  }

  @Post('delete')
  @HttpCode(204)
  async delete(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    await this.operations.deleteIssuer(caller.ask(await this.#named(body)));
  }

  #named(body: BodyReader) {
    return body.json(schemas.IssuerName, this.settings.jsonBodyBytes);
  }
}

function messageOf({ jwks, jwksUri = '', claimMap, ...rest }: z.output<typeof schemas.IssuerRequest>) {
  const map = claimMap === undefined ? {} : { claimMap: JSON.parse(JSON.stringify(claimMap)) as object };
  return { ...rest, ...map, jwksUri, jwksJson: jwks === undefined ? '' : JSON.stringify(jwks) };
}

function issuerView(message: policyV1.Issuer) {
  const { jwksJson, ...record } = issuerOfMessage(message);
  return { ...record, ...(jwksJson === '' ? {} : { jwks: parseJson(jwksJson) }) };
}
