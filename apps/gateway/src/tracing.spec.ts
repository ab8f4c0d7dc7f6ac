/** Where the gateway's spans hang, and how a run's trace is read back. */
import { join } from 'node:path';
import { openTraceStore, startTelemetry, type SpanRecord, type Telemetry } from '@cogmesh/telemetry';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { document } from '../test/face-table.js';
import { GatewayWorld, until } from '../test/gateway-world.js';

let world: GatewayWorld;
let telemetry: Telemetry;
const spans: SpanRecord[] = [];

beforeAll(async () => {
  telemetry = await startTelemetry({
    service: 'test',
    version: '0',
    environment: {},
    sink: async (ended) => void spans.push(...ended),
  });
  world = await GatewayWorld.start({ traceStore: true });
});
afterAll(async () => {
  await world.stop();
  await telemetry.stop();
});

it('makes the HTTP request the root, links the caller’s trace, and hangs everything else below', async () => {
  const outside = { trace: '1'.repeat(32), span: '2'.repeat(16) };
  const response = await world.fetch('member', '/v1/runs', {
    method: 'POST',
    body: document(),
    headers: { traceparent: `00-${outside.trace}-${outside.span}-01` },
  });
  expect(response.status).toBe(202);
  const traceId = response.headers.get('x-trace-id') ?? '';
  expect(traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(traceId).not.toBe(outside.trace);
  const own = () => spans.filter((span) => span.traceId === traceId);
  await until(async () => {
    await telemetry.flush();
    return own().some(({ name }) => name === 'POST /v1/runs');
  }, 'the request’s span has ended');
  const roots = own().filter(({ parentSpanId }) => parentSpanId === '');
  expect(roots).toMatchObject([{ name: 'POST /v1/runs', service: 'gateway', kind: 1 }]);
  expect(roots[0]?.links).toEqual([{ traceId: outside.trace, spanId: outside.span }]);
  const names = own().map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['authenticate', 'decide', 'cogmesh.scheduler.v1.SchedulerService/SubmitRun']),
  );
  const ids = new Set(own().map(({ spanId }) => spanId));
  expect(own().filter(({ parentSpanId }) => parentSpanId !== '' && !ids.has(parentSpanId))).toEqual([]);
});

it('reads a run’s trace back for those who may read the run', async () => {
  const store = await openTraceStore(join(world.dir, 'traces.sqlite'));
  const span = {
    spanId: 'b'.repeat(16),
    parentSpanId: '',
    service: 'scheduler',
    name: 'submit run',
    kind: 0,
    startUs: 1,
    endUs: 2,
  };
  await store.append([
    { ...span, traceId: 'a'.repeat(32), error: false, statusMessage: '', attributes: {}, links: [] },
  ]);
  await store.close();
  const runId = world.scheduler.addRun('globex');
  const response = await world.fetch('member', `/v1/runs/${runId}/trace`);
  expect(await response.json()).toMatchObject({ traceId: 'a'.repeat(32), spans: [span] });
  expect((await world.fetch('acme', `/v1/runs/${runId}/trace`)).status).toBe(404);
  expect((await world.fetch('guest', `/v1/runs/${runId}/trace`)).status).toBe(403);
});
