import { Body, Controller, Get, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import * as schemas from '../openapi/scheduling-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { cursorView, pageQuery } from './page-query.js';
import { deadLetterView, present, scopeKinds, scopeView } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

/** What the scheduler is allowed to do at once, and what it could not process. */
@Controller('v1')
@UseGuards(AuthenticationGuard)
export class LimitsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get('limits')
  async list(@Caller() caller: HttpCaller) {
    const { scopes } = await this.operations.listScopes(caller.ask({}));
    return { scopes: scopes.map(scopeView) };
  }

  @Put('limits/:kind/:name')
  async replace(
    @Caller() caller: HttpCaller,
    @Param() { kind, name }: { kind: string; name: string },
    @Body(BodyPipe) body: BodyReader,
  ) {
    const known = checked(schemas.ScopeKind, kind);
    const { limits, paused } = await body.json(schemas.ScopeRequest, this.settings.jsonBodyBytes);
    const wanted = {
      kind: scopeKinds[known],
      name,
      limits: { ...limits, maxQueued: BigInt(limits.maxQueued) },
      paused,
    };
    const { scope } = await this.operations.putScope(caller.ask({ scope: wanted }));
    return scopeView(present(scope, 'scope'));
  }

  @Get('dead-letters')
  async deadLetters(@Caller() caller: HttpCaller, @Query() query: unknown) {
    const { deadLetters, nextCursor } = await this.operations.listDeadLetters(caller.ask(checked(pageQuery, query)));
    return { deadLetters: deadLetters.map(deadLetterView), nextCursor: cursorView(nextCursor) };
  }

  @Post('dead-letters/:id/replay')
  @HttpCode(204)
  async replay(@Caller() caller: HttpCaller, @Param('id') id: string) {
    await this.operations.replayDeadLetter(caller.ask({ id }));
  }
}
