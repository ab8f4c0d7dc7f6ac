import type { CogmeshError } from '@cogmesh/errors';
import { beforeEach, expect, it } from 'vitest';
import { EngineWorld, script } from '../../test/engine-world.js';
import { answerApproval, askApproval, type Answer } from './approvals.js';
import { expand } from './expand.js';
import type { TaskRow } from './rows.js';

let world: EngineWorld;
beforeEach(async () => {
  world = await EngineWorld.open();
});

async function asked(fields: object = {}): Promise<string> {
  const id = await world.submit({
    tasks: [{ id: 'ask', uses: 'approval', timeoutMs: 900, ...fields }, script('then', { depends: ['ask'] })],
  });
  await ask(id);
  return id;
}

const ask = (id: string, itemIndex = -1) =>
  world.decide(id, (unit, _outcomes, run) =>
    askApproval(unit, run.task('ask', itemIndex) as TaskRow, { message: 'pay?', plan: run.plan('ask') }),
  );

const answer = (id: string, given: Partial<Answer> = {}, taskId = 'ask', itemIndex = -1): Promise<number> =>
  world.decide(id, (unit, outcomes, run) =>
    answerApproval(unit, outcomes, {
      task: run.task(taskId, itemIndex) as TaskRow,
      answer: { approved: true, by: 'ada', issuer: 'i', roles: ['member'], comment: '', data: null, ...given },
    }),
  );

it('waits until its time-out, and says what it asks', async () => {
  const id = await asked({ input: { approvers: 2 } });
  expect(world.task(id, 'ask')).toMatchObject({ state: 'WAITING', attempt: 1, dueAt: world.clock.now() + 900 });
  expect(world.run(id).history.at(-1)?.data).toContain('"message":"pay?"');
});

it('of two needs two different people', async () => {
  const id = await asked({ input: { approvers: 2 } });
  expect(await answer(id)).toBe(1);
  const { sequence } = world.run(id).row;
  expect(await answer(id)).toBe(1);
  expect(world.run(id).row.sequence).toBe(sequence);
  expect(await answer(id, { issuer: 'another' })).toBe(0);
  expect(world.states(id)).toBe('ask SUCCEEDED, then READY');
  const { approvals } = JSON.parse(world.task(id, 'ask').output ?? '') as { approvals: object[] };
  expect(approvals).toMatchObject([
    { by: 'ada', issuer: 'i', at: new Date(world.clock.now()).toISOString() },
    { by: 'ada', issuer: 'another' },
  ]);
});

it('is answered by who holds a role, and otherwise left as it is', async () => {
  const id = await asked({ input: { roles: ['boss'] } });
  await expect(answer(id)).rejects.toMatchObject({ code: 'permission_denied' } satisfies Partial<CogmeshError>);
  expect(world.engine.isOpen).toBe(true);
  expect(await answer(id, { roles: ['boss'] })).toBe(0);
  await expect(answer(id, { roles: ['boss'] })).rejects.toMatchObject({ code: 'failed_precondition' });
  await expect(answer(id, {}, 'then')).rejects.toThrow('task then is no approval');
});

it('is not answered by who submitted the run, where it asks for somebody else', async () => {
  const id = await asked({ input: { roles: ['boss'], notBy: 'submitter' } });
  expect(world.run(id).history.at(-1)?.data).toContain('"notBy":"submitter"');
  const boss = { roles: ['boss'] };
  const { submittedBy } = world.run(id).row;
  await expect(answer(id, { ...boss, by: submittedBy })).rejects.toThrow('somebody else has to approve it');
  await expect(answer(id, { ...boss, by: submittedBy, issuer: 'other' })).rejects.toMatchObject({
    code: 'permission_denied',
  });
  expect(world.task(id, 'ask').state).toBe('WAITING');
  expect(await answer(id, { ...boss, by: `not ${submittedBy}` })).toBe(0);
});

it('may be refused by who submitted the run', async () => {
  const id = await asked({ input: { notBy: 'submitter' } });
  expect(await answer(id, { approved: false, by: world.run(id).row.submittedBy })).toBe(0);
});

it('that is refused fails, with who said so', async () => {
  const id = await asked();
  expect(await answer(id, { approved: false, comment: 'too dear' })).toBe(0);
  expect(JSON.parse(world.task(id, 'ask').error ?? '')).toMatchObject({
    code: 'refused',
    message: 'refused by ada: too dear',
    details: { by: 'ada' },
  });
  expect(world.states(id)).toBe('ask FAILED, then SKIPPED');
});

it('may be asked for each item', async () => {
  const retry = { maxAttempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 };
  const approval = { approvers: 1, roles: [] } as const;
  const about = { depends: [], priority: 5, input: null, retry, timeoutMs: 900 };
  const task = { id: 'ask', uses: 'approval', forEach: '${{ input }}', approval, ...about };
  const id = await world.submitPlan({ name: '', priority: 5, labels: {}, input: null, tasks: [task] });
  await world.decide(id, (unit, outcomes, run) => {
    const parent = run.task('ask') as TaskRow;
    expand(unit, outcomes, { parent, plan: run.plan('ask'), list: [1, 2], maxExpandedTasks: 10 });
  });
  for (const index of [0, 1]) await ask(id, index);
  expect(await answer(id, {}, 'ask', 1)).toBe(0);
  expect(world.run(id).history.at(-1)).toMatchObject({
    type: 'task.progress',
    taskId: 'ask',
    data: expect.stringContaining('"succeeded":1') as string,
  });
  await expect(answer(id, {}, 'ask', 1)).rejects.toThrow('task ask[1] waits for no answer, it is SUCCEEDED');
  expect(await answer(id, { approved: false }, 'ask', 0)).toBe(0);
  expect(world.run(id).row.error).toContain('task ask[0] failed: refused by ada');
});

it('a forEach of more items than the run has room for is invalid', async () => {
  const id = await world.submit({ tasks: [script('each', { forEach: '${{ input }}' })] });
  const list = Array.from({ length: 10 }, (_, index) => index);
  await world.decide(id, (unit, outcomes, run) => {
    const parent = run.task('each') as TaskRow;
    expand(unit, outcomes, { parent, plan: run.plan('each'), list, maxExpandedTasks: 10 });
  });
  expect(world.task(id, 'each').error).toContain('would make 10 items, the run has room for 9 more');
  expect(world.run(id).row.totalTasks).toBe(1);
});
