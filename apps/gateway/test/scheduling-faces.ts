/** The calls that steer the scheduler on both faces, answering the REST views. */
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { gatewayV1, schedulerV1 } from '@cogmesh/contracts';
import type { CallOptions, Client } from '@cogmesh/rpc';
import {
  deadLetterView,
  deliveryView,
  misfires,
  overlaps,
  present,
  scheduleView,
  scheduleWithTimes,
  scopeKinds,
  scopeView,
  waitingView,
  webhookView,
} from '../src/http/scheduling-views.js';
import { runView } from '../src/http/views.js';

export interface RetryOptions {
  readonly fromFailed: boolean;
  readonly input?: unknown;
}

export interface ScheduleInput {
  readonly cron: string;
  readonly document: unknown;
  readonly misfire: keyof typeof misfires;
  readonly overlap: keyof typeof overlaps;
}

export interface SchedulingFace {
  retryRun(runId: string, options: RetryOptions): Promise<unknown>;
  pauseRun(runId: string, reason: string): Promise<unknown>;
  resumeRun(runId: string): Promise<unknown>;
  setPriority(runId: string, priority: number): Promise<unknown>;
  signalTask(
    runId: string,
    taskId: string,
    signal: { approved: boolean; comment: string; index?: number },
  ): Promise<unknown>;
  explainWaiting(runId: string, taskId: string, index?: number): Promise<unknown>;
  listScopes(): Promise<unknown>;
  putScope(kind: keyof typeof scopeKinds, name: string, maxInFlight: number): Promise<unknown>;
  putSchedule(name: string, schedule: ScheduleInput): Promise<unknown>;
  getSchedule(name: string): Promise<unknown>;
  listSchedules(): Promise<unknown>;
  deleteSchedule(name: string): Promise<unknown>;
  triggerSchedule(name: string): Promise<unknown>;
  /** How many runs it made. */
  backfillSchedule(name: string, from: string, to: string): Promise<unknown>;
  putWebhook(id: string, url: string): Promise<unknown>;
  listWebhooks(): Promise<unknown>;
  deleteWebhook(id: string): Promise<unknown>;
  listDeliveries(id: string): Promise<unknown>;
  listDeadLetters(): Promise<unknown>;
  replayDeadLetter(id: string): Promise<unknown>;
}

export function restScheduling(send: (path: string, init?: RequestInit) => Promise<Response>): SchedulingFace {
  const ask = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await send(`/v1${path}`, { method, ...init, headers: { 'content-type': 'application/json' } });
    return (response.status === 204 ? {} : await response.json()) as Record<string, unknown>;
  };
  const part = encodeURIComponent;
  return {
    retryRun: (id, options) => ask('POST', `/runs/${id}/retry`, options),
    pauseRun: (id, reason) => ask('POST', `/runs/${id}/pause`, { reason }),
    resumeRun: (id) => ask('POST', `/runs/${id}/resume`),
    setPriority: (id, priority) => ask('PUT', `/runs/${id}/priority`, { priority }),
    signalTask: (id, task, signal) => ask('POST', `/runs/${id}/tasks/${task}/signal`, signal),
    explainWaiting: (id, task, index) =>
      ask('GET', `/runs/${id}/tasks/${task}/waiting${index === undefined ? '' : `?index=${index}`}`),
    listScopes: async () => (await ask('GET', '/limits'))['scopes'],
    putScope: (kind, name, maxInFlight) => ask('PUT', `/limits/${kind}/${part(name)}`, { limits: { maxInFlight } }),
    putSchedule: (name, schedule) => ask('PUT', `/schedules/${part(name)}`, schedule),
    getSchedule: (name) => ask('GET', `/schedules/${part(name)}`),
    listSchedules: async () => (await ask('GET', '/schedules'))['schedules'],
    deleteSchedule: (name) => ask('DELETE', `/schedules/${part(name)}`),
    triggerSchedule: (name) => ask('POST', `/schedules/${part(name)}/trigger`),
    backfillSchedule: async (name, from, to) => {
      const { runs } = await ask('POST', `/schedules/${part(name)}/backfill`, { from, to });
      return { made: (runs as unknown[]).length };
    },
    putWebhook: (id, url) => ask(id === '' ? 'POST' : 'PUT', `/webhooks${id === '' ? '' : `/${id}`}`, { url }),
    listWebhooks: async () => (await ask('GET', '/webhooks'))['webhooks'],
    deleteWebhook: (id) => ask('DELETE', `/webhooks/${id}`),
    listDeliveries: async (id) => (await ask('GET', `/webhooks/${id}/deliveries`))['deliveries'],
    listDeadLetters: async () => (await ask('GET', '/dead-letters'))['deadLetters'],
    replayDeadLetter: (id) => ask('POST', `/dead-letters/${id}/replay`),
  };
}

export function grpcScheduling(client: Client<typeof gatewayV1.GatewayService>, options: CallOptions): SchedulingFace {
  const run = ({ run: found }: { run?: schedulerV1.Run | undefined }) => runView(present(found, 'run'));
  const moment = (text: string) => timestampFromDate(new Date(text));
  return {
    retryRun: async (runId, { fromFailed, input }) => {
      const inputJson = input === undefined ? '' : JSON.stringify(input);
      return run(await client.retryRun({ runId, fromFailed, inputJson }, options));
    },
    pauseRun: async (runId, reason) => run(await client.pauseRun({ runId, reason }, options)),
    resumeRun: async (runId) => run(await client.resumeRun({ runId }, options)),
    setPriority: async (runId, priority) => run(await client.setPriority({ runId, priority }, options)),
    signalTask: async (runId, taskId, signal) => {
      const { missing } = await client.signalTask({ runId, taskId, ...signal }, options);
      return { run: runId, missing };
    },
    explainWaiting: async (runId, taskId, index) => {
      const answer = await client.explainWaiting({ runId, taskId, ...(index === undefined ? {} : { index }) }, options);
      const { waiting, position, estimateMs } = answer;
      return waitingView({ waiting, position, estimateMs } as schedulerV1.ExplainWaitingResponse);
    },
    listScopes: async () => (await client.listScopes({}, options)).scopes.map(scopeView),
    putScope: async (kind, name, maxInFlight) => {
      const scope = { kind: scopeKinds[kind], name, limits: { maxInFlight } };
      return scopeView(present((await client.putScope({ scope }, options)).scope, 'scope'));
    },
    putSchedule: async (name, { cron, document, misfire, overlap }) => {
      const words = { misfire: misfires[misfire], overlap: overlaps[overlap] };
      const schedule = { name, cron, documentJson: JSON.stringify(document), ...words };
      return scheduleView(present((await client.putSchedule({ schedule }, options)).schedule, 'schedule'));
    },
    getSchedule: async (name) => {
      const { schedule, upcoming } = await client.getSchedule({ schedule: name }, options);
      return scheduleWithTimes({ schedule, upcoming } as schedulerV1.GetScheduleResponse);
    },
    listSchedules: async () => (await client.listSchedules({}, options)).schedules.map(scheduleView),
    deleteSchedule: (name) => client.deleteSchedule({ schedule: name }, options).then(() => ({})),
    triggerSchedule: async (name) => ({ run: (await client.triggerSchedule({ schedule: name }, options)).runId }),
    backfillSchedule: async (name, from, to) => {
      const range = { from: moment(from), to: moment(to) };
      return { made: (await client.backfillSchedule({ schedule: name, ...range }, options)).runIds.length };
    },
    putWebhook: async (id, url) =>
      webhookView(present((await client.putWebhook({ webhook: { id, url } }, options)).webhook, 'webhook')),
    listWebhooks: async () => (await client.listWebhooks({}, options)).webhooks.map(webhookView),
    deleteWebhook: (webhookId) => client.deleteWebhook({ webhookId }, options).then(() => ({})),
    listDeliveries: async (webhookId) =>
      (await client.listDeliveries({ webhookId }, options)).deliveries.map(deliveryView),
    listDeadLetters: async () => (await client.listDeadLetters({}, options)).deadLetters.map(deadLetterView),
    replayDeadLetter: (id) => client.replayDeadLetter({ id }, options).then(() => ({})),
  };
}
