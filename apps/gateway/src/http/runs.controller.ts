import {
  Body,
  Controller,
  Get,
  Header,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { FastifyReply } from 'fastify';
import * as schemas from '../openapi/schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';
import { runSummary, runView } from './views.js';
import { z } from 'zod';

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(512).default(''),
  state: schemas.RunState.optional(),
});
const index = z.coerce
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .optional();

/** Runs: submit, read, list, cancel, outputs, trace. Events have a controller of their own. */
@Controller('v1/runs')
@UseGuards(AuthenticationGuard)
export class RunsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post()
  @HttpCode(202)
  async submit(
    @Caller() caller: HttpCaller,
    @Body(BodyPipe) body: BodyReader,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const documentJson = await body.text(this.settings.runBodyBytes);
    const { run, replayed } = await this.operations.submitRun(
      caller.ask({ documentJson, idempotencyKey: idempotencyKey ?? '' }),
    );
    const view = runView(present(run));
    reply.header('location', `/v1/runs/${view.id}`);
    if (replayed) reply.header('idempotency-replayed', 'true');
    return view;
  }

  @Get()
  async list(@Caller() caller: HttpCaller, @Query() query: unknown) {
    const { limit, cursor, state } = checked(listQuery, query);
    const wanted = state === undefined ? schedulerV1.RunState.UNSPECIFIED : schedulerV1.RunState[state];
    const page = await this.operations.listRuns(caller.ask({ limit, cursor, state: wanted }));
    return { runs: page.runs.map(runSummary), nextCursor: page.nextCursor === '' ? null : page.nextCursor };
  }

  @Get(':id')
  async read(@Caller() caller: HttpCaller, @Param('id') runId: string) {
    const { run } = await this.operations.getRun(caller.ask({ runId }));
    return runView(present(run));
  }

  @Post(':id/cancel')
  @HttpCode(202)
  async cancel(@Caller() caller: HttpCaller, @Param('id') runId: string, @Body(BodyPipe) body: BodyReader) {
    const { reason } = await body.json(schemas.CancelRequest, this.settings.jsonBodyBytes);
    const { run } = await this.operations.cancelRun(caller.ask({ runId, reason }));
    return runView(present(run));
  }

  @Get(':id/output')
  @Header('content-type', 'application/json; charset=utf-8')
  async output(@Caller() caller: HttpCaller, @Param('id') runId: string) {
    const { outputJson } = await this.operations.getOutput(caller.ask({ runId, taskId: '' }));
    return outputJson || 'null';
  }

  @Get(':id/tasks/:task/output')
  @Header('content-type', 'application/json; charset=utf-8')
  async taskOutput(
    @Caller() caller: HttpCaller,
    @Param() { id, task }: { id: string; task: string },
    @Query('index') indexText: string | undefined,
  ) {
    const item = checked(index, indexText);
    const input = { runId: id, taskId: task, ...(item === undefined ? {} : { index: item }) };
    const { outputJson } = await this.operations.getOutput(caller.ask(input));
    return outputJson || 'null';
  }

  @Get(':id/trace')
  trace(@Caller() caller: HttpCaller, @Param('id') runId: string) {
    return this.operations.getTrace(caller.ask({ runId }));
  }
}

function present(run: schedulerV1.Run | undefined): schedulerV1.Run {
  if (run !== undefined) return run;
  throw new CogmeshError('internal', 'the scheduler answered without a run');
}
