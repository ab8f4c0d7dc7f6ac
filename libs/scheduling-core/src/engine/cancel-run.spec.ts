import { beforeEach, expect, it } from 'vitest';
import { EngineWorld, output, script } from '../../test/engine-world.js';
import { cancelRun, endRun } from './cancel-run.js';
import { failureOf } from './outcomes.js';
import { pauseRun } from './steer-run.js';

let world: EngineWorld;
beforeEach(async () => {
  world = await EngineWorld.open();
});

const cancel = (runId: string, reason = '') =>
  world.decide(runId, (unit, _outcomes, run) => cancelRun(unit, run, reason));

it('ends everything, frees what is held once, and tells its agents to stop', async () => {
  const id = await world.submit({ tasks: [script('a'), script('b'), script('c'), script('d', { depends: ['a'] })] });
  const [running, published] = [await world.start(id, 'a'), await world.claim(id, 'b')];
  await cancel(id, 'enough');
  expect(world.states(id)).toBe('a CANCELLED, b CANCELLED, c CANCELLED, d CANCELLED');
  expect(world.told('freed')).toEqual([running, published]);
  expect(world.told('stop')).toEqual([running, published].map((attemptId) => ({ agentId: 'agent_1', attemptId })));
  expect(world.told('unready').map(({ taskId }) => taskId)).toEqual(['c']);
  const { row, history } = world.run(id);
  expect(row).toMatchObject({ state: 'CANCELLED', openTasks: 0, finishedAt: world.clock.now(), dueAt: null });
  expect(JSON.parse(row.error ?? '')).toMatchObject({ code: 'cancelled', message: 'cancelled: enough' });
  expect(history.at(-1)).toMatchObject({ type: 'run.done', runState: 'CANCELLED' });
  expect(world.told('finalise')).toEqual([]);
  expect(await world.report(id, running, output('late'))).toBe(0);
  expect(world.engine.attempt(running)).toBeUndefined();
});

it('changes nothing twice', async () => {
  const id = await world.submit({ tasks: [script('a')] });
  await cancel(id);
  const { sequence } = world.run(id).row;
  await cancel(id);
  await world.decide(id, (unit, _outcomes, run) => endRun(unit, run, failureOf('timeout', 'late')));
  expect(world.run(id).row).toMatchObject({ sequence, state: 'CANCELLED' });
});

it('of a run that never began leaves it without a beginning', async () => {
  const id = await world.submit({ tasks: [script('a')] });
  await cancel(id);
  expect(world.run(id).row.startedAt).toBeNull();
  expect(world.run(id).history.map(({ type, runState }) => (type === 'run.state' ? runState : type))).toEqual([
    'PENDING',
    'CANCELLING',
    'task.state',
    'CANCELLED',
    'run.done',
  ]);
});

it('takes nothing out of the order that a pause took out before', async () => {
  const id = await world.submit({ tasks: [script('a')] });
  await world.do(pauseRun(world.engine, id, { by: 'ada', reason: '' }));
  await cancel(id);
  expect(world.told('unready')).toHaveLength(1);
  expect(world.run(id).row.state).toBe('CANCELLED');
});

it('by a deadline is a failure that says so', async () => {
  const id = await world.submit({ deadlineMs: 100, tasks: [script('a'), script('b', { depends: ['a'] })] });
  const attempt = await world.start(id, 'a');
  await world.decide(id, (unit, _outcomes, run) => endRun(unit, run, failureOf('timeout', 'it took too long')));
  expect(world.states(id)).toBe('a CANCELLED, b CANCELLED');
  expect(JSON.parse(world.task(id, 'b').error ?? '')).toMatchObject({ message: 'not finished: it took too long' });
  expect(world.run(id).row).toMatchObject({ state: 'FAILED', dueAt: null, openTasks: 0 });
  expect(world.told('stop')).toEqual([{ agentId: 'agent_1', attemptId: attempt }]);
});
