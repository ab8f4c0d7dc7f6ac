/** The part of the client that steers the scheduler; `CogmeshClient.scheduling` is one. */
import { randomUUID } from 'node:crypto';
import { path, type CallScope, type HttpTransport, type Query } from './http-transport.js';
import type { RunView } from './run-view.js';
import type {
  DeadLetterView,
  DeliveryView,
  LimitsView,
  ScheduleDefinition,
  ScheduleView,
  ScopeKind,
  ScopeView,
  WaitingView,
  WebhookDefinition,
  WebhookView,
} from './scheduling-views.js';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

interface Page {
  readonly nextCursor: string | null;
}

export class SchedulingClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /**
   * A new run of the same document: from its failed tasks on (the default), or all of it, then perhaps with another `input`.
   * Without an `idempotencyKey` a random one is used, so a repeated request never makes a second run.
   */
  retryRun(
    runId: string,
    options: CallScope & {
      readonly fromFailed?: boolean;
      readonly input?: unknown;
      readonly idempotencyKey?: string;
    } = {},
  ): Promise<RunView> {
    const { fromFailed = true, input, idempotencyKey = randomUUID(), ...scope } = options;
    const body = input === undefined ? { fromFailed } : { fromFailed, input };
    return this.#ask('POST', path`/v1/runs/${runId}/retry`, {
      body,
      headers: { 'idempotency-key': idempotencyKey },
      ...scope,
    });
  }

  /** Nothing new of the run starts until it is resumed; what runs goes on. */
  pauseRun(runId: string, options: CallScope & { readonly reason?: string } = {}): Promise<RunView> {
    const { reason = '', ...scope } = options;
    return this.#ask('POST', path`/v1/runs/${runId}/pause`, { body: { reason }, ...scope });
  }

  resumeRun(runId: string, scope: CallScope = {}): Promise<RunView> {
    return this.#ask('POST', path`/v1/runs/${runId}/resume`, scope);
  }

  /** 0 to 9, higher first; of the run, or of one waiting `task`. */
  setPriority(runId: string, priority: number, options: CallScope & { readonly task?: string } = {}): Promise<RunView> {
    const { task = '', ...scope } = options;
    return this.#ask('PUT', path`/v1/runs/${runId}/priority`, { body: { priority, task }, ...scope });
  }

  /** Answers an `approval` task, or one item (`index`) of one with `forEach`; `missing` approvals are still needed. Said once: repeating it is refused. */
  signalTask(
    runId: string,
    taskId: string,
    signal: {
      readonly approved: boolean;
      readonly index?: number;
      readonly comment?: string;
      readonly data?: unknown;
    },
    scope: CallScope = {},
  ): Promise<{ readonly run: string; readonly missing: number }> {
    const where = path`/v1/runs/${runId}/tasks/${taskId}/signal`;
    return this.#ask('POST', where, { body: signal, repeatable: false, ...scope });
  }

  /** Why a task, or one item of it, is not running. */
  explainWaiting(
    runId: string,
    taskId: string,
    options: CallScope & { readonly index?: number } = {},
  ): Promise<WaitingView> {
    const { index, ...scope } = options;
    return this.#ask('GET', path`/v1/runs/${runId}/tasks/${taskId}/waiting`, { query: { index }, ...scope });
  }

  async limits(scope: CallScope = {}): Promise<readonly ScopeView[]> {
    return (await this.#ask<{ scopes: readonly ScopeView[] }>('GET', '/v1/limits', scope)).scopes;
  }

  /** Replaces the limits of one scope: what is left out has no limit, and is not paused. */
  setLimits(
    kind: ScopeKind,
    name: string,
    wanted: { readonly limits?: Partial<LimitsView>; readonly paused?: boolean },
    scope: CallScope = {},
  ): Promise<ScopeView> {
    return this.#ask('PUT', path`/v1/limits/${kind}/${name}`, { body: wanted, ...scope });
  }

  schedules(scope: CallScope = {}): Promise<readonly ScheduleView[]> {
    return this.#all<ScheduleView, 'schedules'>('/v1/schedules', 'schedules', scope);
  }

  /** By name or id, with its next times. */
  schedule(name: string, scope: CallScope = {}): Promise<ScheduleView> {
    return this.#ask('GET', path`/v1/schedules/${name}`, scope);
  }

  /** Makes the schedule of this name, or replaces it. */
  putSchedule(name: string, schedule: ScheduleDefinition, scope: CallScope = {}): Promise<ScheduleView> {
    return this.#ask('PUT', path`/v1/schedules/${name}`, { body: schedule, ...scope });
  }

  deleteSchedule(name: string, scope: CallScope = {}): Promise<void> {
    return this.#tell('DELETE', path`/v1/schedules/${name}`, scope);
  }

  /** Fires now, beside its times. Each call is one more run. */
  triggerSchedule(name: string, scope: CallScope = {}): Promise<{ readonly run: string }> {
    return this.#ask('POST', path`/v1/schedules/${name}/trigger`, { repeatable: false, ...scope });
  }

  /** Fires once for each time of a past range; more than `limit` (default 100) is refused. */
  backfillSchedule(
    name: string,
    range: { readonly from: Date; readonly to: Date; readonly limit?: number },
    scope: CallScope = {},
  ): Promise<{ readonly runs: readonly string[] }> {
    return this.#ask('POST', path`/v1/schedules/${name}/backfill`, { body: range, repeatable: false, ...scope });
  }

  async webhooks(scope: CallScope = {}): Promise<readonly WebhookView[]> {
    return (await this.#ask<{ webhooks: readonly WebhookView[] }>('GET', '/v1/webhooks', scope)).webhooks;
  }

  /** The answer holds the secret that signs deliveries, and no later one does. */
  makeWebhook(webhook: WebhookDefinition, scope: CallScope = {}): Promise<WebhookView> {
    return this.#ask('POST', '/v1/webhooks', { body: webhook, repeatable: false, ...scope });
  }

  putWebhook(id: string, webhook: WebhookDefinition, scope: CallScope = {}): Promise<WebhookView> {
    return this.#ask('PUT', path`/v1/webhooks/${id}`, { body: webhook, ...scope });
  }

  deleteWebhook(id: string, scope: CallScope = {}): Promise<void> {
    return this.#tell('DELETE', path`/v1/webhooks/${id}`, scope);
  }

  /** What the webhook was told, newest first. */
  deliveries(id: string, scope: CallScope = {}): Promise<readonly DeliveryView[]> {
    return this.#all<DeliveryView, 'deliveries'>(path`/v1/webhooks/${id}/deliveries`, 'deliveries', scope);
  }

  /** Messages that could not be processed, newest first. Administrators only. */
  deadLetters(scope: CallScope = {}): Promise<readonly DeadLetterView[]> {
    return this.#all<DeadLetterView, 'deadLetters'>('/v1/dead-letters', 'deadLetters', scope);
  }

  replayDeadLetter(id: string, scope: CallScope = {}): Promise<void> {
    return this.#tell('POST', path`/v1/dead-letters/${id}/replay`, { repeatable: false, ...scope });
  }

  /** Every page of a list. */
  async #all<Item, Field extends string>(where: string, field: Field, scope: CallScope): Promise<readonly Item[]> {
    const found: Item[] = [];
    let cursor: string | undefined;
    do {
      const query = { cursor, limit: 500 };
      const page = await this.#ask<Page & Record<Field, readonly Item[]>>('GET', where, { query, ...scope });
      found.push(...page[field]);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  }

  #ask<T>(method: Method, where: string, options: AskOptions = {}): Promise<T> {
    return this.#http.json(requestOf(method, where, options));
  }

  async #tell(method: Method, where: string, options: AskOptions): Promise<void> {
    const response = await this.#http.send(requestOf(method, where, options));
    await response.body?.cancel();
  }
}

interface AskOptions extends CallScope {
  readonly body?: unknown;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly repeatable?: boolean;
}

function requestOf(method: Method, where: string, { body, headers, repeatable = true, ...rest }: AskOptions) {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return { method, path: where, headers: { ...type, ...headers }, repeatable, ...content, ...rest };
}
