/** The spans of a run: one trace, children of the submit span, and none from the scheduler's own polling. */
import { spanNames, startTelemetry, type SpanRecord, type Telemetry } from '@cogmesh/telemetry';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failure, output } from '../test/fake-agent.js';
import { SchedulerFixture } from '../test/scheduler-fixture.js';

const spans: SpanRecord[] = [];
let telemetry: Telemetry;
let fixture: SchedulerFixture;

beforeAll(async () => {
  const sink = (records: readonly SpanRecord[]) => Promise.resolve(void spans.push(...records));
  telemetry = await startTelemetry({ service: 'scheduler', version: 'test', environment: {}, sink });
  fixture = await SchedulerFixture.open();
  await fixture.addAgent('agent_1', ({ work, input }) =>
    work.taskId === 'b' && work.attempt === 1 ? failure('engine_crashed', true) : output(input),
  );
  await fixture.start();
});
afterAll(async () => {
  await fixture.close();
  await telemetry.stop();
});

it('hold the queue wait, dispatch and result of every attempt', async () => {
  const script = { uses: 'script', script: 'return input' };
  const { id, traceId } = await fixture.submit({
    tasks: [
      { id: 'a', ...script },
      { id: 'b', ...script, depends: ['a'], retry: { maxAttempts: 2, backoffMs: 1 } },
    ],
  });
  await fixture.finished(id);
  await telemetry.flush();
  const own = spans.filter((span) => span.traceId === traceId);
  const named = (name: string) => own.filter((span) => span.name === name);
  const [submit] = named(spanNames.submit);
  expect(submit?.attributes).toMatchObject({ 'cogmesh.run.id': id, 'cogmesh.organisation': 'globex' });
  expect(named(spanNames.queueWait).map((span) => span.parentSpanId)).toEqual(
    Array.from({ length: 3 }, () => submit?.spanId),
  );
  const dispatches = named(spanNames.dispatch);
  expect(
    dispatches.map((span) => [
      span.parentSpanId,
      span.attributes['cogmesh.task.id'],
      span.attributes['cogmesh.attempt'],
    ]),
  ).toEqual([
    [submit?.spanId, 'a', 1],
    [submit?.spanId, 'b', 1],
    [submit?.spanId, 'b', 2],
  ]);
  const results = named(spanNames.result);
  expect(results.map((span) => [span.attributes['cogmesh.task.state'], span.error])).toEqual([
    ['SUCCEEDED', false],
    ['RETRY_WAIT', true],
    ['SUCCEEDED', false],
  ]);
  const parents = new Set([submit?.spanId, ...dispatches.map((span) => span.spanId)]);
  for (const span of results) expect(parents).toContain(span.parentSpanId);
  expect(named(spanNames.release)).toHaveLength(1);
});

it('are sampled above 500 tasks, but every failure is kept', async () => {
  const items = Array.from({ length: 2_000 }, (_, index) => index);
  const agent = fixture.agents[0];
  if (agent)
    agent.behaviour = ({ work, input }) =>
      input === 1_234 && work.attempt === 1 ? failure('engine_crashed', true) : output(input);
  const { id, traceId } = await fixture.submit({
    input: items,
    tasks: [
      {
        id: 'each',
        uses: 'script',
        script: 'return input',
        forEach: '${{ input }}',
        input: '${{ item }}',
        retry: { maxAttempts: 2, backoffMs: 1 },
      },
    ],
  });
  await fixture.finished(id);
  await telemetry.flush();
  const results = spans.filter((span) => span.traceId === traceId && span.name === spanNames.result);
  expect(results.filter((span) => span.error).map((span) => span.attributes['cogmesh.task.index'])).toEqual([1_234]);
  expect(results.length).toBeGreaterThan(250);
  expect(results.length).toBeLessThan(750);
});

it('come from work, never from polling', () => {
  expect(spans.filter((span) => span.name.includes('ListAgents'))).toEqual([]);
});
