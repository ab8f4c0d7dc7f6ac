/** The two public faces behind one interface, each answering the REST views and failing with a CogmeshError. */
import type { schedulerV1 } from '@cogmesh/contracts';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError, isErrorCode } from '@cogmesh/errors';
import { createClient, openChannel } from '@cogmesh/rpc';
import { agentView, eventView, modelView, runSummary, runView } from '../src/http/views.js';
import { grpcScheduling, restScheduling, type SchedulingFace } from './scheduling-faces.js';
import type { GatewayWorld, Who } from './gateway-world.js';

export interface Face extends SchedulingFace {
  submitRun(documentJson: string, idempotencyKey?: string): Promise<unknown>;
  getRun(runId: string): Promise<unknown>;
  listRuns(limit?: number): Promise<unknown>;
  cancelRun(runId: string, reason: string): Promise<unknown>;
  getOutput(runId: string, taskId: string): Promise<unknown>;
  watchRun(runId: string, afterSequence: number): Promise<unknown[]>;
  putBlob(
    mediaType: string,
    bytes: Uint8Array,
  ): Promise<{ id: string; bytes: number; sha256: string; mediaType: string }>;
  getBlob(blobId: string): Promise<Buffer>;
  listModels(): Promise<unknown>;
  listAgents(): Promise<unknown>;
  whoAmI(): Promise<unknown>;
  explainPolicy(action: string, entity: { type: string; id: string }): Promise<unknown>;
  findRuns(filter: RunFilter): Promise<unknown>;
}

/** Filters of a list of runs. */
export interface RunFilter {
  readonly labels?: Readonly<Record<string, string>>;
  readonly after?: string;
  readonly before?: string;
  readonly schedule?: string;
}

export type FaceName = 'REST' | 'gRPC';

export async function openFace(name: FaceName, world: GatewayWorld, who: Who): Promise<Face & { close(): void }> {
  return name === 'REST' ? restFace(world, who) : grpcFace(world, await world.headers(who));
}

function restFace(world: GatewayWorld, who: Who): Face & { close(): void } {
  const send = async (path: string, init: RequestInit = {}) => {
    const response = await world.fetch(who, path, init);
    if (response.ok) return response;
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    if (!isErrorCode(code)) throw new Error(`unknown code ${code}`);
    throw new CogmeshError(code, detail, { status: response.status });
  };
  const json = async (path: string, init?: RequestInit) => (await send(path, init)).json() as Promise<never>;
  const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    json(path, { method: 'POST', body: body as string, headers: { 'content-type': 'application/json', ...headers } });
  return {
    ...restScheduling(send),
    submitRun: (document, key) => post('/v1/runs', document, key === undefined ? {} : { 'idempotency-key': key }),
    getRun: (id) => json(`/v1/runs/${encodeURIComponent(id)}`),
    findRuns: async ({ labels = {}, ...filter }) => {
      const query = new URLSearchParams(filter as Record<string, string>);
      for (const [key, value] of Object.entries(labels)) query.append('label', `${key}=${value}`);
      return (await json(`/v1/runs?${query}`))['runs'];
    },
    listRuns: async (limit) => (await json(`/v1/runs${limit === undefined ? '' : `?limit=${limit}`}`))['runs'],
    cancelRun: (id, reason) => post(`/v1/runs/${id}/cancel`, JSON.stringify({ reason })),
    getOutput: (id, task) => json(task === '' ? `/v1/runs/${id}/output` : `/v1/runs/${id}/tasks/${task}/output`),
    watchRun: async (id, after) => {
      const response = await send(`/v1/runs/${id}/events`, {
        headers: after === 0 ? {} : { 'last-event-id': String(after) },
      });
      const data = [...(await response.text()).matchAll(/^data: (.*)$/gm)];
      return data.map(([, text]) => JSON.parse(text ?? '') as unknown);
    },
    putBlob: (mediaType, bytes) => post('/v1/blobs', bytes, { 'content-type': mediaType }),
    getBlob: async (id) => Buffer.from(await (await send(`/v1/blobs/${id}`)).arrayBuffer()),
    listModels: async () => (await json('/v1/models'))['models'],
    listAgents: async () => (await json('/v1/agents'))['agents'],
    whoAmI: () => json('/v1/whoami'),
    explainPolicy: async (action, resource) => {
      const { allowed, code, reason } = (await post(
        '/v1/policy/explain',
        JSON.stringify({ action, resource }),
      )) as Record<string, unknown>;
      return { allowed, code, reason };
    },
    close: () => {},
  };
}

function grpcFace(world: GatewayWorld, headers: Record<string, string>): Face & { close(): void } {
  const channel = openChannel({ target: world.grpc });
  const client = createClient(gatewayV1.GatewayService, channel);
  const options = { metadata: headers };
  const run = ({ run: found }: { run?: schedulerV1.Run | undefined }) =>
    found === undefined ? undefined : runView(found);
  return {
    ...grpcScheduling(client, options),
    submitRun: async (documentJson, key) =>
      run(await client.submitRun({ documentJson, idempotencyKey: key ?? '' }, options)),
    getRun: async (runId) => run(await client.getRun({ runId }, options)),
    findRuns: async ({ labels = {}, after, before, schedule = '' }) => {
      const filter = {
        labels,
        scheduleId: schedule,
        ...(after === undefined ? {} : { createdAfter: timestampFromDate(new Date(after)) }),
        ...(before === undefined ? {} : { createdBefore: timestampFromDate(new Date(before)) }),
      };
      return (await client.listRuns(filter, options)).runs.map(runSummary);
    },
    listRuns: async (limit) => (await client.listRuns({ page: { limit: limit ?? 0 } }, options)).runs.map(runSummary),
    cancelRun: async (runId, reason) => run(await client.cancelRun({ runId, reason }, options)),
    getOutput: async (runId, taskId) =>
      JSON.parse((await client.getOutput({ runId, taskId }, options)).outputJson || 'null') as unknown,
    watchRun: async (runId, after) => {
      const events: unknown[] = [];
      for await (const { event } of client.watchRun({ runId, afterSequence: BigInt(after) }, options)) {
        if (event !== undefined) events.push(eventView(event));
      }
      return events;
    },
    putBlob: async (mediaType, bytes) => {
      const { blob } = await client.putBlob(uploadOf(mediaType, bytes), options);
      return {
        id: blob?.id ?? '',
        bytes: Number(blob?.bytes),
        sha256: blob?.sha256 ?? '',
        mediaType: blob?.mediaType ?? '',
      };
    },
    getBlob: async (blobId) => {
      const chunks: Uint8Array[] = [];
      for await (const { part } of client.getBlob({ blobId }, options))
        if (part.case === 'chunk') chunks.push(part.value);
      return Buffer.concat(chunks);
    },
    listModels: async () =>
      (await client.listModels({}, options)).models.map(({ $typeName: _name, $unknown: _unknown, ...model }) =>
        modelView(model),
      ),
    listAgents: async () => (await client.listAgents({}, options)).agents.map(agentView),
    whoAmI: async () => {
      const { subject } = await client.whoAmI({}, options);
      const { issuer, sub, organisation, roles, attributesJson = '{}' } = subject ?? {};
      return { issuer, sub, organisation, roles, attributes: JSON.parse(attributesJson) as unknown };
    },
    explainPolicy: async (action, resource) => {
      const { allowed, code, reason } = await client.explainPolicy({ action, resource }, options);
      return { allowed, code, reason };
    },
    close: () => channel.close(),
  };
}

async function* uploadOf(mediaType: string, bytes: Uint8Array) {
  yield { part: { case: 'mediaType' as const, value: mediaType } };
  for (let at = 0; at < bytes.length; at += 65_536) {
    yield { part: { case: 'chunk' as const, value: bytes.slice(at, at + 65_536) } };
  }
}
