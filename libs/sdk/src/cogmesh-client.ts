/**
 * The public client: one method per call of the REST API. Every failure is a CogmeshError with the gateway's stable code;
 * calls that may be repeated are, within bounds. It keeps no state and opens no connection of its own.
 */
import { randomUUID } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { AuditClient } from './audit-client.js';
import { AccessClient } from './access-client.js';
import { downloadBlob, uploadBlob, type BlobContent, type BlobDownload, type StoredBlob } from './blobs.js';
import {
  HttpTransport,
  path,
  type CallScope,
  type Query,
  type TokenSource,
  type TransportOptions,
} from './http-transport.js';
import type { AgentView, Explanation, ModelView, PolicySetView, SubjectView, TraceView } from './mesh-views.js';
import { PartnersClient } from './partners-client.js';
import { PolicyClient } from './policy-client.js';
import type { BlobReference, RunDocument } from './run-document.js';
import { isEnded, type RunPage, type RunState, type RunView } from './run-view.js';
import { RevocationsClient } from './revocations-client.js';
import { SchedulingClient } from './scheduling-client.js';
import { watchRun, type RunEvent, type WatchOptions } from './watch-run.js';

export interface CogmeshClientOptions extends Omit<TransportOptions, 'token'> {
  /** A token; or `getToken` when it has to be renewed. */
  readonly token?: string;
  /** Asked before each call, and again with `refresh` when the gateway called the last token expired. */
  readonly getToken?: Exclude<TokenSource, string>;
}

/** Which runs a list holds. */
export interface RunFilter {
  readonly state?: RunState;
  /** Every one must match exactly; at most 8. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Created at or after. */
  readonly after?: Date;
  /** Created before. */
  readonly before?: Date;
  /** Id of the schedule that fired them. */
  readonly schedule?: string;
}

const isoOf = (time: Date | undefined) => time?.toISOString();

const jsonBody = { 'content-type': 'application/json' };

export class CogmeshClient {
  /** Limits, schedules, webhooks, dead letters, and everything that steers a run. */
  readonly scheduling: SchedulingClient;
  /** Versions of the policy set, rollback, the candidate beside it, simulation. */
  readonly policies: PolicyClient;
  /** Decisions for enforcement points, and searches over them: the AuthZEN Authorization API. */
  readonly access: AccessClient;
  /** The decision log of the organisation. */
  readonly audit: AuditClient;
  /** Issuers, and grants between organisations. */
  readonly partners: PartnersClient;
  /** What the organisation has revoked. */
  readonly revocations: RevocationsClient;
  readonly #http: HttpTransport;

  constructor({ token, getToken, ...transport }: CogmeshClientOptions) {
    const source = getToken ?? token;
    if (source === undefined) throw new CogmeshError('unauthenticated', 'the client needs `token` or `getToken`');
    this.#http = new HttpTransport({ ...transport, token: source });
    this.scheduling = new SchedulingClient(this.#http);
    this.audit = new AuditClient(this.#http);
    this.partners = new PartnersClient(this.#http);
    this.policies = new PolicyClient(this.#http);
    this.revocations = new RevocationsClient(this.#http);
    this.access = new AccessClient(this.#http);
  }

  /**
   * Submits a run; it is durable when this resolves. Without an `idempotencyKey` a random one is used, so a repeated request
   * never makes a second run. A bad document rejects with `invalid_run` and every problem in `details.issues`.
   */
  submitRun(document: RunDocument, options: CallScope & { readonly idempotencyKey?: string } = {}): Promise<RunView> {
    const { idempotencyKey = randomUUID(), ...scope } = options;
    return this.submitRunText(JSON.stringify(document), { idempotencyKey, ...scope });
  }

  /** The same for a document that is text already; the gateway reports the place of a syntax error. */
  submitRunText(text: string, options: CallScope & { readonly idempotencyKey?: string } = {}): Promise<RunView> {
    const { idempotencyKey = randomUUID(), ...scope } = options;
    return this.#http.json({
      method: 'POST',
      path: '/v1/runs',
      headers: { ...jsonBody, 'idempotency-key': idempotencyKey },
      body: text,
      repeatable: true,
      ...scope,
    });
  }

  getRun(runId: string, scope: CallScope = {}): Promise<RunView> {
    return this.#get(path`/v1/runs/${runId}`, scope);
  }

  /** Newest first, one page after another; stop iterating to stop asking. */
  async *listRuns(
    options: CallScope & RunFilter & { /** 1 to 500. */ readonly pageSize?: number } = {},
  ): AsyncGenerator<readonly RunView[]> {
    const { state, labels = {}, after, before, schedule, pageSize: limit, signal } = options;
    const scope = signal === undefined ? {} : { signal };
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    let cursor: string | undefined;
    do {
      const query = { state, limit, cursor, label, schedule, after: isoOf(after), before: isoOf(before) };
      const page: RunPage = await this.#get('/v1/runs', scope, query);
      yield page.runs;
      cursor = page.nextCursor === null || page.nextCursor === '' ? undefined : page.nextCursor;
    } while (cursor !== undefined);
  }

  cancelRun(runId: string, options: CallScope & { readonly reason?: string } = {}): Promise<RunView> {
    const { reason, ...scope } = options;
    return this.#post(path`/v1/runs/${runId}/cancel`, reason === undefined ? {} : { reason }, scope);
  }

  /** Every event of the run from the beginning (or after a sequence number) to `run.done`. */
  watchRun(runId: string, options: WatchOptions = {}): AsyncGenerator<RunEvent> {
    return watchRun(this.#http, runId, options);
  }

  /** The run once it has ended, whatever the end. Rejects with `timeout` after `timeoutMs` (default: no limit). */
  async waitForRun(runId: string, options: WatchOptions & { readonly timeoutMs?: number } = {}): Promise<RunView> {
    const { timeoutMs, ...watch } = options;
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [limit, watch.signal].filter((signal) => signal !== undefined);
    try {
      const scope = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
      for await (const event of this.watchRun(runId, { ...watch, ...scope })) if (event.type === 'run.done') break;
    } catch (thrown) {
      if (!limit?.aborted) throw thrown;
      throw new CogmeshError('timeout', `run ${runId} has not ended within ${timeoutMs} ms`, { runId });
    }
    const run = await this.getRun(runId);
    if (!isEnded(run.state)) throw new CogmeshError('internal', `run ${runId} is ${run.state} after its last event`);
    return run;
  }

  /** The run's own output; null while there is none. A large one is a blob reference. */
  output(runId: string, scope: CallScope = {}): Promise<unknown> {
    return this.#get(path`/v1/runs/${runId}/output`, scope);
  }

  /** The output of a task, or of one item of a `forEach` task. */
  taskOutput(runId: string, taskId: string, options: CallScope & { readonly index?: number } = {}): Promise<unknown> {
    const { index, ...scope } = options;
    return this.#get(path`/v1/runs/${runId}/tasks/${taskId}/output`, scope, { index });
  }

  /** Stores bytes; `reference(blob)` puts them into a run's input. */
  uploadBlob(content: BlobContent, options: CallScope & { readonly mediaType: string }): Promise<StoredBlob> {
    return uploadBlob(this.#http, content, options);
  }

  downloadBlob(blob: string | BlobReference, { signal }: CallScope = {}): Promise<BlobDownload> {
    return downloadBlob(this.#http, blob, signal);
  }

  async deleteBlob(blobId: string, scope: CallScope = {}): Promise<void> {
    const response = await this.#http.send({
      method: 'DELETE',
      path: path`/v1/blobs/${blobId}`,
      repeatable: true,
      ...scope,
    });
    await response.body?.cancel();
  }

  /** Models the caller may infer, with whether they are ready. */
  async models(scope: CallScope = {}): Promise<readonly ModelView[]> {
    return (await this.#get<{ models: readonly ModelView[] }>('/v1/models', scope)).models;
  }

  async agents(scope: CallScope = {}): Promise<readonly AgentView[]> {
    return (await this.#get<{ agents: readonly AgentView[] }>('/v1/agents', scope)).agents;
  }

  /** Who the gateway takes this token for. */
  whoami(scope: CallScope = {}): Promise<SubjectView> {
    return this.#get('/v1/whoami', scope);
  }

  /** Why a request of this caller would be allowed or denied. A resource is `/models/acme/x` or the entity of it. */
  explain(
    request: { readonly action: string; readonly resource: string | { readonly type: string; readonly id: string } },
    scope: CallScope = {},
  ): Promise<Explanation> {
    return this.#post('/v1/policy/explain', request, scope);
  }

  /** The spans of a run's trace. */
  trace(runId: string, scope: CallScope = {}): Promise<TraceView> {
    return this.#get(path`/v1/runs/${runId}/trace`, scope);
  }

  getPolicies(scope: CallScope = {}): Promise<PolicySetView> {
    return this.#get('/v1/policies', scope);
  }

  /** Replaces the organisation's policy set; with `expectedEpoch`, `conflict` when somebody was faster. */
  putPolicies(
    policySet: unknown,
    options: CallScope & { readonly expectedEpoch?: number; readonly note?: string } = {},
  ): Promise<{ readonly epoch: number }> {
    const { expectedEpoch, note, ...scope } = options;
    return this.#http.json({
      method: 'PUT',
      path: '/v1/policies',
      query: { note },
      headers: { ...jsonBody, ...(expectedEpoch === undefined ? {} : { 'if-match': `"${expectedEpoch}"` }) },
      body: JSON.stringify(policySet),
      // A repeated conditional write would find its own first one in the way.
      repeatable: expectedEpoch === undefined,
      ...scope,
    });
  }

  #get<T>(where: string, scope: CallScope, query: Query = {}): Promise<T> {
    return this.#http.json({ method: 'GET', path: where, query, repeatable: true, ...scope });
  }

  /** Only for calls that may be repeated. */
  #post<T>(where: string, body: unknown, scope: CallScope): Promise<T> {
    const text = JSON.stringify(body);
    return this.#http.json({ method: 'POST', path: where, headers: jsonBody, body: text, repeatable: true, ...scope });
  }
}

/** The form in which a stored blob stands in a run's input. */
export function reference({ id, mediaType, bytes }: StoredBlob): BlobReference {
  return { $blob: id, mediaType, bytes };
}
