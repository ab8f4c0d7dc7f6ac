import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import * as schemas from '../openapi/scheduling-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { present, waitingView } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';
import { runView } from './views.js';

const index = z.coerce
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .optional();

/** Steering a run: retry, pause, priority, approvals, and why a task waits. */
@Controller('v1/runs/:id')
@UseGuards(AuthenticationGuard)
export class ControlController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post('retry')
  @HttpCode(202)
  async retry(
    @Caller() caller: HttpCaller,
    @Param('id') runId: string,
    @Body(BodyPipe) body: BodyReader,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
  ) {
    const { fromFailed, input } = await body.json(schemas.RetryRequest, this.settings.runBodyBytes);
    const inputJson = input === undefined ? '' : JSON.stringify(input);
    const { run } = await this.operations.retryRun(
      caller.ask({ runId, fromFailed, inputJson, idempotencyKey: idempotencyKey ?? '' }),
    );
    return runView(present(run, 'run'));
  }

  @Post('pause')
  @HttpCode(202)
  async pause(@Caller() caller: HttpCaller, @Param('id') runId: string, @Body(BodyPipe) body: BodyReader) {
    const { reason } = await body.json(schemas.PauseRequest, this.settings.jsonBodyBytes);
    const { run } = await this.operations.pauseRun(caller.ask({ runId, reason }));
    return runView(present(run, 'run'));
  }

  @Post('resume')
  @HttpCode(202)
  async resume(@Caller() caller: HttpCaller, @Param('id') runId: string) {
    const { run } = await this.operations.resumeRun(caller.ask({ runId }));
    return runView(present(run, 'run'));
  }

  @Put('priority')
  async priority(@Caller() caller: HttpCaller, @Param('id') runId: string, @Body(BodyPipe) body: BodyReader) {
    const { priority, task } = await body.json(schemas.PriorityRequest, this.settings.jsonBodyBytes);
    const { run } = await this.operations.setPriority(caller.ask({ runId, taskId: task, priority }));
    return runView(present(run, 'run'));
  }

  @Post('tasks/:task/signal')
  @HttpCode(202)
  async signal(
    @Caller() caller: HttpCaller,
    @Param() { id, task }: { id: string; task: string },
    @Body(BodyPipe) body: BodyReader,
  ) {
    const { index, approved, comment, data } = await body.json(schemas.SignalRequest, this.settings.jsonBodyBytes);
    const dataJson = data === undefined ? '' : JSON.stringify(data);
    const item = index === undefined ? {} : { index };
    const { missing } = await this.operations.signalTask(
      caller.ask({ runId: id, taskId: task, ...item, approved, comment, dataJson }),
    );
    return { run: id, missing };
  }

  @Get('tasks/:task/waiting')
  async waiting(
    @Caller() caller: HttpCaller,
    @Param() { id, task }: { id: string; task: string },
    @Query('index') indexText: string | undefined,
  ) {
    const item = checked(index, indexText);
    const input = { runId: id, taskId: task, ...(item === undefined ? {} : { index: item }) };
    return waitingView(await this.operations.explainWaiting(caller.ask(input)));
  }
}
