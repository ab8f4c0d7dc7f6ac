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
import type { FastifyReply } from 'fastify';
import * as schemas from '../openapi/schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { cursorView, pageQuery } from './page-query.js';
import { present } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';
import { runSummary, runView } from './views.js';
import { z } from 'zod';

const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .optional();
const label = z
  .string()
  .max(320)
  .regex(/^[^=]+=/, 'write a label as key=value');
const listQuery = pageQuery.extend({
  state: schemas.RunState.optional(),
  label: z
    .union([label.transform((one) => [one]), z.array(label)])
    .default([])
    .transform((texts) => Object.fromEntries(texts.map(labelEntry))),
  after: moment,
  before: moment,
  schedule: z.string().max(200).default(''),
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
    const view = runView(present(run, 'run'));
    reply.header('location', `/v1/runs/${view.id}`);
    if (replayed) reply.header('idempotency-replayed', 'true');
    return view;
  }

  @Get()
  async list(@Caller() caller: HttpCaller, @Query() query: unknown) {
    const { state, label: labels, schedule: scheduleId, ...rest } = checked(listQuery, query);
    const wanted = state === undefined ? schedulerV1.RunState.UNSPECIFIED : schedulerV1.RunState[state];
    const page = await this.operations.listRuns(caller.ask({ ...rest, labels, scheduleId, state: wanted }));
    return { runs: page.runs.map(runSummary), nextCursor: cursorView(page.nextCursor) };
  }

  @Get(':id')
  async read(@Caller() caller: HttpCaller, @Param('id') runId: string) {
    const { run } = await this.operations.getRun(caller.ask({ runId }));
    return runView(present(run, 'run'));
  }

  @Post(':id/cancel')
  @HttpCode(202)
  async cancel(@Caller() caller: HttpCaller, @Param('id') runId: string, @Body(BodyPipe) body: BodyReader) {
    const { reason } = await body.json(schemas.CancelRequest, this.settings.jsonBodyBytes);
    const { run } = await this.operations.cancelRun(caller.ask({ runId, reason }));
    return runView(present(run, 'run'));
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

function labelEntry(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
