import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { gatewayV1, healthV1, inferenceV1, reflectionV1 } from '@cogmesh/contracts';
import { currentTraceparent, startTelemetry, traceIdOf } from '@cogmesh/telemetry';
import { afterEach, expect, it } from 'vitest';
import {
  createClient,
  implement,
  openChannel,
  serveRpc,
  type Channel,
  type RpcServer,
  type RpcServerOptions,
} from './index.js';

const opened: (RpcServer | Channel)[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await ('stop' in each ? each.stop(200) : each.close());
});

interface BlobsSeen {
  chunks: number;
  aborted: boolean;
}

const megabyteChunk = new Uint8Array(64 * 1024);

function blobService(seen: BlobsSeen) {
  return implement(gatewayV1.BlobService, {
    async *fetch({ blobId }, { signal }) {
      signal.addEventListener('abort', () => (seen.aborted = true));
      if (blobId === 'missing') throw new CogmeshError('not_found', 'no such blob', { blobId });
      for (let i = 0; i < 1_000; i++) {
        seen.chunks++;
        yield { part: { case: 'chunk' as const, value: megabyteChunk } };
      }
    },
    async store(requests) {
      let bytes = 0;
      for await (const { part } of requests) if (part.case === 'chunk') bytes += part.value.length;
      return { blob: { id: 'stored', bytes: BigInt(bytes) } };
    },
  });
}

const inference = implement(inferenceV1.InferenceService, {
  async infer({ model }, { caller, metadata }) {
    if (model === 'bad')
      throw new CogmeshError('invalid_tensor', 'wrong shape', { issues: [{ path: 'a', code: 'b', message: 'c' }] });
    if (model === 'bug') throw new TypeError('secret internals');
    if (model === 'slow') await new Promise(() => {});
    return { model: `${model} by ${caller.kind} ${metadata.get('x-test') ?? ''}` };
  },
  async *inferStream(requests) {
    for await (const { request } of requests)
      yield { outcome: { case: 'response' as const, value: { model: request?.model ?? '' } } };
    yield { outcome: { case: 'response' as const, value: { model: 'after the input ended' } } };
  },
});

async function start(options: Partial<RpcServerOptions> = {}, seen: BlobsSeen = { chunks: 0, aborted: false }) {
  const server = await serveRpc({ address: '127.0.0.1:0', services: [inference, blobService(seen)], ...options });
  const channel = openChannel({ target: server.address, authorize: () => 'Bearer token' });
  opened.push(server, channel);
  return {
    channel,
    infer: createClient(inferenceV1.InferenceService, channel),
    blobs: createClient(gatewayV1.BlobService, channel),
  };
}

it('carries our code, message and issues to the client', async () => {
  const { infer } = await start();
  await expect(infer.infer({ model: 'bad' })).rejects.toMatchObject({
    code: 'invalid_tensor',
    message: 'wrong shape',
    details: { issues: [{ path: 'a', code: 'b', message: 'c' }] },
  });
});

it('tells nothing of an unexpected error', async () => {
  const { infer } = await start();
  await expect(infer.infer({ model: 'bug' })).rejects.toMatchObject({ code: 'internal', message: 'internal error' });
});

it('cuts issues that would not fit the trailers, and says so', async () => {
  const issues = Array.from({ length: 5_000 }, (_, i) => ({ path: `tasks[${i}]`, code: 'x', message: 'y'.repeat(50) }));
  const { infer } = await start({
    authenticate: () => {
      throw new CogmeshError('invalid_run', 'many', { issues });
    },
  });
  const error = await infer.infer({ model: 'a' }).catch((thrown: unknown) => thrown as CogmeshError);
  expect(error).toMatchObject({ code: 'invalid_run' });
  const kept = (error as CogmeshError).details.issues?.length ?? 0;
  expect(kept).toBeGreaterThan(10);
  expect(kept + Number((error as CogmeshError).details['omittedIssues'])).toBe(5_000);
});

it('fails with timeout at the deadline and unavailable when nobody listens', async () => {
  const { infer } = await start();
  await expect(infer.infer({ model: 'slow' }, { deadlineMs: 100 })).rejects.toMatchObject({ code: 'timeout' });
  const channel = openChannel({ target: '127.0.0.1:1' });
  opened.push(channel);
  await expect(createClient(inferenceV1.InferenceService, channel).infer({})).rejects.toMatchObject({
    code: 'unavailable',
  });
});

it('asks authenticate with method and authorization, and gives the handler the caller', async () => {
  const asked: string[] = [];
  const { infer } = await start({
    authenticate: ({ method, metadata }) => {
      asked.push(`${method} ${metadata.get('authorization')}`);
      return { kind: 'service', service: 'gateway' };
    },
  });
  const answer = await infer.infer({ model: 'm' }, { metadata: { 'x-test': 'yes' } });
  expect(answer.model).toBe('m by service yes');
  expect(asked).toEqual(['/cogmesh.inference.v1.InferenceService/Infer Bearer token']);
});

it('answers on a two-way stream after the input has ended', async () => {
  const { infer } = await start();
  const requests = (async function* () {
    yield { request: { model: 'one' } };
    yield { request: { model: 'two' } };
  })();
  const models: string[] = [];
  for await (const { outcome } of infer.inferStream(requests)) {
    if (outcome.case === 'response') models.push(outcome.value.model);
  }
  expect(models).toEqual(['one', 'two', 'after the input ended']);
});

it('streams up, and respects the reader on the way down', async () => {
  const seen = { chunks: 0, aborted: false };
  const { blobs } = await start({}, seen);
  const stored = await blobs.store(
    (async function* () {
      for (let i = 0; i < 100; i++) yield { part: { case: 'chunk' as const, value: megabyteChunk } };
    })(),
  );
  expect(stored.blob?.bytes).toBe(6_553_600n);

  let received = 0;
  for await (const part of blobs.fetch({ blobId: 'big' })) if (part && ++received === 3) break;
  await expect.poll(() => seen.aborted).toBe(true);
  expect(seen.chunks).toBeLessThan(500);
});

it('fails a stream with our error', async () => {
  const { blobs } = await start();
  const read = async () => {
    for await (const part of blobs.fetch({ blobId: 'missing' })) expect(part).toBeUndefined();
  };
  await expect(read()).rejects.toMatchObject({ code: 'not_found', details: { blobId: 'missing' } });
});

it('serves health and reflection without authentication, and works on a Unix socket', async () => {
  const address = `unix:${join(await mkdtemp(join(tmpdir(), 'rpc-')), 'a.sock')}`;
  let healthy = true;
  const refuse = () => {
    throw new CogmeshError('unauthenticated', 'no');
  };
  const { channel } = await start({ address, authenticate: refuse, healthy: () => healthy });
  const health = createClient(healthV1.Health, channel);
  expect((await health.check({})).status).toBe(healthV1.HealthCheckResponse_ServingStatus.SERVING);
  healthy = false;
  expect((await health.check({})).status).toBe(healthV1.HealthCheckResponse_ServingStatus.NOT_SERVING);

  const reflection = createClient(reflectionV1.ServerReflection, channel);
  const ask = (async function* () {
    yield { messageRequest: { case: 'listServices' as const, value: '' } };
    yield { messageRequest: { case: 'fileContainingSymbol' as const, value: 'cogmesh.gateway.v1.BlobService' } };
  })();
  const answers = [];
  for await (const { messageResponse } of reflection.serverReflectionInfo(ask)) answers.push(messageResponse);
  expect(answers[0]?.case === 'listServicesResponse' && answers[0].value.service.map(({ name }) => name)).toContain(
    'cogmesh.gateway.v1.BlobService',
  );
  expect(answers[1]?.case === 'fileDescriptorResponse' && answers[1].value.fileDescriptorProto.length).toBeGreaterThan(
    2,
  );
});

it('continues a neighbour’s trace, and starts its own for a caller from outside', async () => {
  const telemetry = await startTelemetry({ service: 'test', version: '0', environment: {}, sink: async () => {} });
  const traced = implement(inferenceV1.InferenceService, {
    infer: async () => ({ model: traceIdOf(currentTraceparent()) ?? 'none' }),
    async *inferStream() {},
  });
  const traceparent = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
  const traceSeen = async (services: RpcServerOptions['services']) => {
    const { infer } = await start({ services });
    return (await infer.infer({}, { metadata: { traceparent } })).model;
  };
  expect(await traceSeen([traced])).toBe('0123456789abcdef0123456789abcdef');
  expect(await traceSeen([{ ...traced, edge: true }])).toMatch(/^(?!0123456789abcdef)[0-9a-f]{32}$/);
  await telemetry.stop();
});
