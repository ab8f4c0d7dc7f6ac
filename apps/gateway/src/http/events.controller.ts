import type { OutgoingHttpHeaders } from 'node:http';
import { Controller, Get, Headers, Inject, Param, Res, UseGuards } from '@nestjs/common';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { FastifyReply } from 'fastify';
import type { Admission } from '../admission.js';
import type { Operations } from '../operations/operations.js';
import { unlessClosing } from '../operations/unless-closing.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { Caller, type HttpCaller } from './caller.js';
import type { OpenStreams } from './open-streams.js';
import { sendEvents, type ServerSentEvent } from './server-sent-events.js';
import { ADMISSION, HTTP_SETTINGS, OPEN_STREAMS, OPERATIONS, type HttpSettings } from './tokens.js';
import { eventView } from './views.js';

const { SUCCEEDED, FAILED, CANCELLED } = schedulerV1.RunState;
const terminal = new Set([SUCCEEDED, FAILED, CANCELLED]);

/** A run's history as server-sent events, resumed by `Last-Event-ID`. */
@Controller('v1/runs')
@UseGuards(AuthenticationGuard)
export class EventsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(ADMISSION) private readonly admission: Admission,
    @Inject(OPEN_STREAMS) private readonly streams: OpenStreams,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Get(':id/events')
  async events(
    @Caller() caller: HttpCaller,
    @Param('id') runId: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const afterSequence = sequenceOf(lastEventId);
    const { closing } = this.streams;
    const revoked = new AbortController();
    const signal = AbortSignal.any([caller.signal, closing, revoked.signal]);
    const watching = this.operations.watchRun({ ...caller.ask({ runId, afterSequence }), signal });
    const { run, open } = await unlessClosing(closing, watching);
    const over = run !== undefined && terminal.has(run.state);
    // 204 is how an EventSource is told not to come back (HTML, section 9.2.3).
    if (over && afterSequence > 0n && afterSequence >= run.sequence) return void reply.status(204).send();
    const events = open();
    reply.hijack();
    const { keepAliveMs, slowReaderMs } = this.settings;
    const headers = reply.getHeaders() as OutgoingHttpHeaders;
    const options = { signal, closing, revoked: revoked.signal, keepAliveMs, slowReaderMs, headers };
    const stop = this.admission.follow(caller, (why) => revoked.abort(why));
    await this.streams.keep(sendEvents(reply.raw, toServerSentEvents(events), options)).finally(stop);
  }
}

function sequenceOf(lastEventId: string | undefined): bigint {
  if (lastEventId === undefined || lastEventId === '') return 0n;
  if (/^\d{1,18}$/.test(lastEventId)) return BigInt(lastEventId);
  throw new CogmeshError('invalid_argument', 'Last-Event-ID is the sequence number of an event of this run');
}

async function* toServerSentEvents(events: AsyncIterable<schedulerV1.RunEvent>): AsyncGenerator<ServerSentEvent> {
  for await (const event of events)
    yield { id: String(event.sequence), event: event.type, data: JSON.stringify(eventView(event)) };
}
