import { Body, Controller, Get, HttpCode, Inject, Param, Post, UseGuards } from '@nestjs/common';
import { timestampDate, timestampFromMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { policyGrantsV1 } from '@cogmesh/contracts';
import type { z } from 'zod';
import * as schemas from '../openapi/partner-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { present } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

/** What organisations let each other use. */
@Controller('v1/grants')
@UseGuards(AuthenticationGuard)
export class GrantsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get()
  async list(@Caller() caller: HttpCaller) {
    const { grants } = await this.operations.listGrants(caller.ask({}));
    return { grants: grants.map(grantView) };
  }

  @Post()
  async create(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    const wanted = await body.json(schemas.GrantRequest, this.settings.jsonBodyBytes);
    const grant =
      'jws' in wanted
        ? ({ case: 'jws', value: wanted.jws } as const)
        : ({ case: 'terms', value: termsOf(wanted) } as const);
    return this.#view(await this.operations.createGrant(caller.ask({ grant })));
  }

  @Post(':id/delegate')
  async delegate(@Caller() caller: HttpCaller, @Param('id') id: string, @Body(BodyPipe) body: BodyReader) {
    const terms = termsOf(await body.json(schemas.GrantTerms, this.settings.jsonBodyBytes));
    return this.#view(await this.operations.delegateGrant(caller.ask({ parentId: id, terms })));
  }

  @Post(':id/accept')
  @HttpCode(200)
  async accept(@Caller() caller: HttpCaller, @Param('id') id: string) {
    return this.#view(await this.operations.acceptGrant(caller.ask({ id })));
  }

  @Post(':id/revoke')
  @HttpCode(200)
  async revoke(@Caller() caller: HttpCaller, @Param('id') id: string, @Body(BodyPipe) body: BodyReader) {
    const { reason } = await body.json(schemas.RevokeRequest, this.settings.jsonBodyBytes);
    return this.#view(await this.operations.revokeGrant(caller.ask({ id, reason })));
  }

  #view({ grant }: { readonly grant?: policyGrantsV1.PartnerGrant | undefined }) {
    return grantView(present(grant, 'grant'));
  }
}

function termsOf({ roles, attributes, notBefore, expiresAt, ...rest }: z.output<typeof schemas.GrantTerms>) {
  return {
    ...rest,
    ...(roles === undefined ? {} : { roles: { names: roles } }),
    ...(attributes === undefined ? {} : { attributes: { names: attributes } }),
    ...(notBefore === undefined ? {} : { notBefore: timestampFromMs(Date.parse(notBefore)) }),
    expiresAt: timestampFromMs(Date.parse(expiresAt)),
  };
}

const states = policyGrantsV1.PartnerGrant_State;
const stateNames: Readonly<Record<policyGrantsV1.PartnerGrant_State, z.output<typeof schemas.Grant>['state']>> = {
  [states.UNSPECIFIED]: 'revoked',
  [states.OFFERED]: 'offered',
  [states.ACCEPTED]: 'accepted',
  [states.REVOKED]: 'revoked',
};

const timeView = (time: Timestamp | undefined) => (time === undefined ? null : timestampDate(time).toISOString());
const textView = (text: string) => (text === '' ? null : text);

function grantView(message: policyGrantsV1.PartnerGrant): z.output<typeof schemas.Grant> {
  const { id, grantor, state, createdBy, jws } = message;
  const terms = present(message.terms, 'terms');
  const { grantee, actions, resources, purpose, delegations, roles, attributes } = terms;
  return {
    ...{ id, grantor, grantee, state: stateNames[state], actions, resources },
    ...{ roles: roles?.names ?? null, attributes: attributes?.names ?? null, purpose },
    notBefore: timeView(terms.notBefore),
    expiresAt: timeView(terms.expiresAt) ?? '',
    delegations,
    parentId: textView(message.parentId),
    delegatedBy: textView(message.delegatedBy),
    createdBy,
    createdAt: timeView(message.createdAt) ?? '',
    acceptedBy: textView(message.acceptedBy),
    acceptedAt: timeView(message.acceptedAt),
    revokedBy: textView(message.revokedBy),
    revokedAt: timeView(message.revokedAt),
    revokeReason: textView(message.revokeReason),
    jws,
  };
}
