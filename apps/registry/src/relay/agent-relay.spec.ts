import { createMemoryHub, decode } from '@cogmesh/bus';
import { create } from '@bufbuild/protobuf';
import { workV1 } from '@cogmesh/contracts';
import { createLogger } from '@cogmesh/telemetry';
import { expect, it, vi } from 'vitest';
import { AgentRelay } from './agent-relay.js';
import { SchedulerMail } from './scheduler-mail.js';

it('passes no word on before the scheduler can know that the attempt runs', async () => {
  const hub = createMemoryHub();
  const scheduler = hub.connect('scheduler');
  const queue = { name: 'scheduler.started', kind: 'durable' } as const;
  const heard: string[] = [];
  await scheduler.declare({ queues: [queue] });
  await scheduler.consume(queue, (deliveries) => {
    for (const { started, progress } of deliveries.map((delivery) => decode(workV1.StartedBatchSchema, delivery)))
      heard.push(...started.map(() => 'started'), ...progress.map(({ dataJson }) => dataJson));
    return Promise.resolve(deliveries.map(() => 'ack'));
  });
  const written = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const relay = new AgentRelay({
    agentId: 'agent_1',
    mail: new SchedulerMail(hub.connect('registry'), signal),
    outputs: { reduce: (json) => Promise.resolve(json) },
    attempts: {
      add: () => written.promise,
      remove: () => Promise.resolve(),
      ofAgent: () => Promise.resolve([]),
      removeAgents: () => Promise.resolve(),
    },
    clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() },
    logger: createLogger({ level: 'silent' }),
    signal,
  });
  relay.attach({ work: () => {}, resultAccepted: () => {}, cancel: () => {} });
  relay.announce([{ name: 'tool:acme/a', credits: 1, ready: true, metadataJson: '' }]);
  const attempt = { attemptId: 'attempt_1', runId: 'run_1' };
  const placed = relay.place(create(workV1.WorkSchema, { ...attempt, capability: 'tool:acme/a' }), 'grant');
  relay.started(create(workV1.StartedSchema, attempt));
  relay.progress(create(workV1.ProgressSchema, { ...attempt, dataJson: '{"log":"first"}' }));
  relay.tick();
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([]);

  written.resolve();
  await placed;
  relay.tick();
  await vi.waitFor(() => expect(heard).toEqual(['started', '{"log":"first"}']));
});
