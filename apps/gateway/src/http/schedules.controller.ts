import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import * as schemas from '../openapi/scheduling-schemas.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, checked, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { cursorView, pageQuery } from './page-query.js';
import { misfires, overlaps, present, scheduleView, scheduleWithTimes } from './scheduling-views.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

/** The document is the scheduler's to check, as when it is submitted. */
const uncheckedDocument = schemas.ScheduleRequest.extend({ document: z.record(z.string(), z.unknown()) });

/** Runs that come by the clock. */
@Controller('v1/schedules')
@UseGuards(AuthenticationGuard)
export class SchedulesController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get()
  async list(@Caller() caller: HttpCaller, @Query() query: unknown) {
    const { schedules, nextCursor } = await this.operations.listSchedules(caller.ask(checked(pageQuery, query)));
    return { schedules: schedules.map(scheduleView), nextCursor: cursorView(nextCursor) };
  }

  @Get(':name')
  async read(@Caller() caller: HttpCaller, @Param('name') schedule: string) {
    return scheduleWithTimes(await this.operations.getSchedule(caller.ask({ schedule })));
  }

  @Put(':name')
  async replace(@Caller() caller: HttpCaller, @Param('name') name: string, @Body(BodyPipe) body: BodyReader) {
    const { document, misfire, overlap, ...rest } = await body.json(uncheckedDocument, this.settings.runBodyBytes);
    const schedule = {
      ...rest,
      name,
      documentJson: JSON.stringify(document),
      misfire: misfires[misfire],
      overlap: overlaps[overlap],
    };
    const answer = await this.operations.putSchedule(caller.ask({ schedule }));
    return scheduleView(present(answer.schedule, 'schedule'));
  }

  @Delete(':name')
  @HttpCode(204)
  async remove(@Caller() caller: HttpCaller, @Param('name') schedule: string) {
    await this.operations.deleteSchedule(caller.ask({ schedule }));
  }

  @Post(':name/trigger')
  @HttpCode(202)
  async trigger(@Caller() caller: HttpCaller, @Param('name') schedule: string) {
    const { runId } = await this.operations.triggerSchedule(caller.ask({ schedule }));
    return { run: runId };
  }

  @Post(':name/backfill')
  @HttpCode(202)
  async backfill(@Caller() caller: HttpCaller, @Param('name') schedule: string, @Body(BodyPipe) body: BodyReader) {
    const { from, to, limit } = await body.json(schemas.BackfillRequest, this.settings.jsonBodyBytes);
    const range = { schedule, from: new Date(from), to: new Date(to), limit };
    const { runIds } = await this.operations.backfillSchedule(caller.ask(range));
    return { runs: runIds };
  }
}
