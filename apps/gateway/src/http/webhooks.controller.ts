import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { schedulerV1 } from '@cogmesh/contracts';
import * as schemas from '../openapi/scheduling-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { cursorView, pageQuery } from './page-query.js';
import { deliveryView, present, webhookView } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

/** Who is told when runs end, and how that went. */
@Controller('v1/webhooks')
@UseGuards(AuthenticationGuard)
export class WebhooksController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get()
  async list(@Caller() caller: HttpCaller) {
    const { webhooks } = await this.operations.listWebhooks(caller.ask({}));
    return { webhooks: webhooks.map(webhookView) };
  }

  @Post()
  @HttpCode(201)
  make(@Caller() caller: HttpCaller, @Body(BodyPipe) body: BodyReader) {
    return this.#put(caller, '', body);
  }

  @Put(':id')
  replace(@Caller() caller: HttpCaller, @Param('id') id: string, @Body(BodyPipe) body: BodyReader) {
    return this.#put(caller, id, body);
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Caller() caller: HttpCaller, @Param('id') webhookId: string) {
    await this.operations.deleteWebhook(caller.ask({ webhookId }));
  }

  @Get(':id/deliveries')
  async deliveries(@Caller() caller: HttpCaller, @Param('id') webhookId: string, @Query() query: unknown) {
    const page = { webhookId, ...checked(pageQuery, query) };
    const { deliveries, nextCursor } = await this.operations.listDeliveries(caller.ask(page));
    return { deliveries: deliveries.map(deliveryView), nextCursor: cursorView(nextCursor) };
  }

  async #put(caller: HttpCaller, id: string, body: BodyReader) {
    const { states, ...rest } = await body.json(schemas.WebhookRequest, this.settings.jsonBodyBytes);
    const wanted = { ...rest, id, states: states.map((state) => schedulerV1.RunState[state]) };
    const { webhook } = await this.operations.putWebhook(caller.ask({ webhook: wanted }));
    return webhookView(present(webhook, 'webhook'));
  }
}
