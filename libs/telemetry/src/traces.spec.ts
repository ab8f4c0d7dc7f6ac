import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  currentTraceparent,
  inService,
  openTraceStore,
  recordSpan,
  spanNames,
  startTelemetry,
  type Telemetry,
  traceIdOf,
  type TraceStore,
  withSpan,
} from './index.js';

let store: TraceStore;
let telemetry: Telemetry;

beforeAll(async () => {
  store = await openTraceStore(join(await mkdtemp(join(tmpdir(), 'traces-')), 'traces.sqlite'), { maxTraces: 3 });
  telemetry = await startTelemetry({
    service: 'test',
    version: '0',
    environment: {},
    sink: (spans) => store.append(spans),
  });
});

afterAll(async () => {
  await telemetry.stop();
  await store.close();
});

async function traced(work: () => Promise<string | undefined>) {
  const traceId = traceIdOf(await work()) ?? '';
  await telemetry.flush();
  return store.read(traceId);
}

it('keeps parents, links, failures and the service each span belongs to', async () => {
  const cause = recordSpan({ name: spanNames.batch, startMs: 1_000, endMs: 2_000, parent: 'root' });
  const spans = await traced(() =>
    inService('gateway', () =>
      withSpan(spanNames.submit, { parent: 'root', links: [cause, 'garbage', undefined] }, async () => {
        const failing = () => Promise.reject(new CogmeshError('not_found', 'gone'));
        await inService('scheduler', () => withSpan(spanNames.decide, {}, failing)).catch(() => {});
        recordSpan({ name: spanNames.queueWait, startMs: 1_000, endMs: 1_005 });
        return currentTraceparent();
      }),
    ),
  );
  const byName = new Map(spans.map((span) => [span.name, span]));
  const root = byName.get(spanNames.submit);
  expect(root).toMatchObject({ service: 'gateway', parentSpanId: '', error: false });
  expect(root?.links.map(({ traceId }) => traceId)).toEqual([traceIdOf(cause)]);
  expect(byName.get(spanNames.decide)).toMatchObject({
    service: 'scheduler',
    parentSpanId: root?.spanId,
    error: true,
    statusMessage: 'gone',
  });
  expect(byName.get(spanNames.queueWait)).toMatchObject({
    service: 'gateway',
    parentSpanId: root?.spanId,
    startUs: 1e6,
    endUs: 1_005_000,
  });
});

it('a malformed parent starts a trace of its own instead of failing', async () => {
  const spans = await traced(() =>
    withSpan(spanNames.submit, { parent: '00-zz-zz-01' }, async () => currentTraceparent()),
  );
  expect(spans).toMatchObject([{ parentSpanId: '' }]);
});

it('forgets the oldest traces past its limit', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) {
    ids.push(traceIdOf(recordSpan({ name: spanNames.batch, startMs: i, endMs: i + 1, parent: 'root' })) ?? '');
    await telemetry.flush();
  }
  expect(await store.read(ids[0] ?? '')).toEqual([]);
  expect(await store.read(ids[4] ?? '')).toHaveLength(1);
});
