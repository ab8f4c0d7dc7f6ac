import type { MessageInitShape } from '@bufbuild/protobuf';
import { messageTo } from '@cogmesh/bus';
import { schedulerV1, workV1 } from '@cogmesh/contracts';
import { afterEach, expect, it } from 'vitest';
import { output } from '../test/fake-agent.js';
import { SchedulerFixture, until } from '../test/scheduler-fixture.js';

type Progress = MessageInitShape<typeof workV1.ProgressSchema>;

let fixture: SchedulerFixture;
afterEach(() => fixture.close());

it('words of a running attempt become history: in order, bounded, and only for who holds the lease', async () => {
  fixture = await SchedulerFixture.open({});
  let say: (words: Progress[]) => Promise<void> = () => Promise.resolve();
  const agent = await fixture.addAgent('agent_1', async ({ work: { attemptId, runId } }) => {
    const word = (value: unknown): Progress => ({ attemptId, runId, dataJson: JSON.stringify(value) });
    await say([
      { ...word('forged'), attemptId: 'f'.repeat(32) },
      { ...word('of another run'), runId: 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV' },
      { ...word(''), dataJson: '{"cut' },
      word('x'.repeat(5_000)),
      ...Array.from({ length: 40 }, (_, done) => word({ done })),
    ]);
    return output('done');
  });
  say = async (progress) => {
    const started = progress.slice(-1).map(({ attemptId, runId }) => ({ attemptId, runId, agentId: agent.id }));
    const batch = { started, progress } as MessageInitShape<typeof workV1.StartedBatchSchema>;
    await fixture.hub
      .connect('worker')
      .publish([messageTo({ queue: 'scheduler.started' }, workV1.StartedBatchSchema, batch)]);
    const { runId = '' } = progress.at(-1) ?? {};
    // The result travels in another queue and would overtake them.
    await until('the words', async () => (await fixture.run(runId)).sequence >= 20n);
  };
  await fixture.start();
  const { id } = await fixture.submit({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });
  await fixture.finished(id);
  // Twenty a second; the word of another run was one of them.
  const words = (await fixture.history(id)).filter(({ type }) => type === 'task.progress');
  expect(words.map(({ dataJson }) => dataJson)).toEqual(Array.from({ length: 19 }, (_, done) => `{"done":${done}}`));
  expect(words[0]).toMatchObject({
    taskId: 'a',
    attempt: 1,
    agentId: 'agent_1',
    taskState: schedulerV1.TaskState.UNSPECIFIED,
  });
});
