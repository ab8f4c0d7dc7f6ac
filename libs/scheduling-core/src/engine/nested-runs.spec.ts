import { beforeEach, expect, it } from 'vitest';
import { error, EngineWorld, output, script } from '../../test/engine-world.js';
import { cancelRun } from './cancel-run.js';
import { answerParents, endOrphans, startNested } from './nested-runs.js';
import type { TaskRow } from './rows.js';

let world: EngineWorld;
beforeEach(async () => {
  world = await EngineWorld.open();
});

const inner = { tasks: [script('x'), script('y', { depends: ['x'] })] };
const document = (fields: object = {}) => ({
  deadlineMs: 60_000,
  tasks: [{ id: 'sub', uses: 'run', document: inner, ...fields }, script('then', { depends: ['sub'] })],
});

const nest = (runId: string, nestedId: string, maxTasks = 100) =>
  world.decide(runId, (unit, outcomes, run) => {
    const { nested: plan, timeoutMs } = run.plan('sub');
    if (!plan) throw new Error('no nested run');
    startNested(unit, outcomes, { row: run.task('sub') as TaskRow, plan, timeoutMs, runId: nestedId, maxTasks });
  });

/** The end of a run as `finish-run` would decide it. */
const finish = (runId: string, result: string) =>
  world.decide(runId, (unit, _outcomes, { row }) => {
    row.output = result;
    unit.moveRun(row, row.error === null ? 'succeed' : 'fail');
  });

it('is born in its task’s decision: stored with it, counted in the outermost run, ready at once', async () => {
  const id = await world.submit(document());
  await nest(id, 'run_nested');
  const { row, history } = world.run('run_nested');
  const parent = world.run(id).row;
  expect(row).toMatchObject({
    ...{ organisation: 'globex', shard: 0, submittedBy: 'ada', traceparent: parent.traceparent, dueAt: parent.dueAt },
    ...{ parentRunId: id, parentTaskId: 'sub', parentItemIndex: -1, rootRunId: id, totalTasks: 2 },
  });
  expect(history).toMatchObject([{ sequence: 1, type: 'run.state', runState: 'PENDING' }]);
  expect(parent).toMatchObject({ openTasks: 2, totalTasks: 4 });
  expect(world.task(id, 'sub')).toMatchObject({ state: 'WAITING', attemptId: 'run_nested', attempt: 1 });
  const effects = world.decided.at(-1);
  expect(effects?.ready.map(({ runId, taskId }) => [runId, taskId])).toEqual([['run_nested', 'x']]);
  expect(effects?.opened.get('globex')).toBe(2);
  expect(effects?.deadlines).toEqual([world.engine.residents.get('run_nested')?.row]);
  await world.succeed('run_nested', 'x');
  expect(world.states('run_nested')).toBe('x SUCCEEDED, y READY');
});

it('does not begin when the outermost run has no room for it', async () => {
  const id = await world.submit(document());
  await nest(id, 'run_nested', 3);
  expect(world.states(id)).toBe('sub FAILED, then SKIPPED');
  expect(world.run(id).row.error).toContain('room for 1 more');
  expect(world.state.runs.has('run_nested')).toBe(false);
});

it('gives its task its output, though neither is in memory', async () => {
  const id = await world.submit(document());
  await nest(id, 'run_nested');
  for (const each of ['x', 'y']) await world.succeed('run_nested', each);
  expect(world.told('finalise')).toEqual(['run_nested']);
  await finish('run_nested', '{"n":1}');
  expect(world.told('answered')).toEqual(['run_nested']);
  await world.own();
  expect(world.engine.residents.size).toBe(0);
  await world.do(answerParents(world.engine, ['run_nested', 'run_gone']));
  expect(world.task(id, 'sub')).toMatchObject({ state: 'SUCCEEDED', output: '{"n":1}' });
  expect(world.states(id)).toBe('sub SUCCEEDED, then READY');
  const { sequence } = world.run(id).row;
  await world.do(answerParents(world.engine, ['run_nested']));
  expect(world.run(id).row.sequence).toBe(sequence);
});

it('takes its task along when it fails, or is tried again under another id', async () => {
  const id = await world.submit(document({ retry: { maxAttempts: 2, backoffMs: 1, on: ['invalid_input'] } }));
  for (const nested of ['run_first', 'run_second']) {
    await nest(id, nested);
    await world.report(nested, await world.start(nested, 'x'), error('invalid_input'));
    await finish(nested, '');
    await world.do(answerParents(world.engine, [nested]));
    await world.do(answerParents(world.engine, ['run_first']));
    if (nested === 'run_second') break;
    expect(world.task(id, 'sub').state).toBe('RETRY_WAIT');
    await world.decide(id, (_unit, outcomes, run) => outcomes.tryAgain(run.task('sub') as TaskRow));
  }
  expect(world.states(id)).toBe('sub FAILED, then SKIPPED');
  expect(world.task(id, 'sub').error).toContain('its run run_second: task x failed: it said invalid_input');
  expect(world.told('orphaned')).toEqual(['run_first', 'run_second']);
});

it('ends when nobody waits for it any more', async () => {
  const id = await world.submit(document());
  await nest(id, 'run_nested');
  const attempt = await world.start('run_nested', 'x');
  await world.decide(id, (unit, _outcomes, run) => cancelRun(unit, run, ''));
  expect(world.told('orphaned')).toEqual(['run_nested']);
  await world.do(endOrphans(world.engine, ['run_nested']));
  expect(world.run('run_nested').row.state).toBe('CANCELLED');
  expect(world.told('stop')).toEqual([{ agentId: 'agent_1', attemptId: attempt }]);
  await world.do(answerParents(world.engine, ['run_nested']));
  expect(world.task(id, 'sub').state).toBe('CANCELLED');
  expect(await world.report('run_nested', attempt, output(1))).toBe(0);
});
