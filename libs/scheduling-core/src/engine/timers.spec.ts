import type { CogmeshError } from '@cogmesh/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  error,
  EngineWorld,
  leaseMs,
  output,
  poisonAfter,
  script,
  type WorldOptions,
} from '../../test/engine-world.js';
import type { StoreFault } from '../simulation/memory-store.js';
import { VirtualClock } from '../simulation/virtual-clock.js';
import { Alarms } from './alarms.js';
import { startNested } from './nested-runs.js';
import { renewLeases } from './leases.js';
import type { TaskRow } from './rows.js';
import { pauseRun, resumeRun } from './steer-run.js';
import { Timers } from './timers.js';

let world: EngineWorld;
let timers: Timers;
let errors: { readonly message: string; readonly restMs: number }[];

async function open(options: WorldOptions = {}): Promise<void> {
  world = new EngineWorld(options);
  errors = [];
  let failures = 0;
  const backoff = { next: () => 100 * 2 ** failures++, succeeded: () => (failures = 0) };
  const onError = ({ message }: CogmeshError, restMs: number) => errors.push({ message, restMs });
  timers = new Timers({ engine: world.engine, store: world.store, leaseMs, poisonAfter, backoff, onError });
  await world.own();
}
beforeEach(() => open());
afterEach(() => timers.stop());

const advance = async (ms: number) => {
  await world.clock.advance(ms);
  world.check();
};

const wait = (runId: string, taskId: string, durationMs: number) =>
  world.decide(runId, (unit, _outcomes, run) => {
    unit.move(run.task(taskId) as TaskRow, 'wait', { attempt: 1, startedAt: unit.now, dueAt: unit.now + durationMs });
  });

const stateOf = (runId: string, taskId: string) => world.task(runId, taskId).state;

describe('a time that comes', () => {
  it('ends a sleep, to the millisecond', async () => {
    const id = await world.submit({ tasks: [{ id: 'rest', uses: 'sleep', input: { durationMs: 1 } }] });
    await wait(id, 'rest', 1_234);
    await advance(1_233);
    expect(stateOf(id, 'rest')).toBe('WAITING');
    await advance(1);
    expect(world.task(id, 'rest')).toMatchObject({ state: 'SUCCEEDED', output: 'null' });
  });

  it('ends the wait before a retry', async () => {
    const id = await world.submit({ tasks: [script('a', { retry: { maxAttempts: 2, backoffMs: 300, jitter: 0 } })] });
    await world.report(id, await world.start(id, 'a'), error('engine_crashed', true));
    await advance(299);
    expect(stateOf(id, 'a')).toBe('RETRY_WAIT');
    await advance(1);
    expect(world.task(id, 'a')).toMatchObject({ state: 'READY', attemptId: null });
  });

  it('fails what nobody took, and what nobody answered', async () => {
    const id = await world.submit({
      tasks: [
        script('a', { queueTimeoutMs: 400, onFailure: 'continue' }),
        { id: 'ask', uses: 'approval', timeoutMs: 500 },
      ],
    });
    await wait(id, 'ask', 500);
    await advance(400);
    expect(world.task(id, 'a').error).toContain('queue_timeout');
    await advance(100);
    expect(world.task(id, 'ask').error).toContain('nobody answered within 500 ms');
  });

  it('takes back what nobody started, uncounted', async () => {
    const id = await world.submit({ tasks: [script('a')] });
    const attempt = await world.claim(id, 'a');
    await advance(5_000);
    expect(world.task(id, 'a')).toMatchObject({ state: 'READY', attempt: 0, attemptId: null });
    expect(await world.report(id, attempt)).toBe(0);
  });

  it('ends an attempt that takes too long, and tells its agent', async () => {
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 700, retry: { maxAttempts: 1 } })] });
    const attempt = await world.start(id, 'a');
    await advance(700);
    expect(world.task(id, 'a').error).toContain('took longer than 700 ms');
    expect(world.told('stop')).toEqual([{ agentId: 'agent_1', attemptId: attempt }]);
  });

  it('ends a task whose nested run takes too long', async () => {
    const nested = { id: 'sub', uses: 'run', document: { tasks: [script('x')] }, timeoutMs: 900 };
    const id = await world.submit({ tasks: [{ ...nested, retry: { maxAttempts: 1 } }] });
    await world.decide(id, (unit, outcomes, run) => {
      const { nested: plan, timeoutMs } = run.plan('sub');
      if (!plan) throw new Error('no nested run');
      startNested(unit, outcomes, { row: run.task('sub') as TaskRow, plan, timeoutMs, runId: 'run_n', maxTasks: 9 });
    });
    await advance(900);
    expect(world.task(id, 'sub')).toMatchObject({
      state: 'FAILED',
      error: expect.stringContaining('900 ms') as string,
    });
    expect(world.told('orphaned')).toEqual(['run_n']);
  });

  it('ends a run at its deadline, whatever its tasks wait for', async () => {
    const id = await world.submit({ deadlineMs: 250, tasks: [script('a', { queueTimeoutMs: 250 }), script('b')] });
    await world.start(id, 'b');
    await advance(250);
    expect(world.run(id).row).toMatchObject({ state: 'FAILED', error: expect.stringContaining('deadline') as string });
    expect(world.states(id)).toBe('a CANCELLED, b CANCELLED');
  });

  it('stands still in a pause, but for the deadline', async () => {
    const id = await world.submit({ deadlineMs: 60_000, tasks: [script('a', { queueTimeoutMs: 400 })] });
    await advance(100);
    await world.do(pauseRun(world.engine, id, { by: 'ada', reason: '' }));
    await advance(10_000);
    expect(stateOf(id, 'a')).toBe('READY');
    await world.do(resumeRun(world.engine, id, { by: 'ada' }));
    await advance(299);
    expect(stateOf(id, 'a')).toBe('READY');
    await advance(1);
    expect(stateOf(id, 'a')).toBe('FAILED');
    const other = await world.submit({ deadlineMs: 1_000, tasks: [script('a')] });
    await world.do(pauseRun(world.engine, other, { by: 'ada', reason: '' }));
    await advance(1_000);
    expect(world.run(other).row.state).toBe('FAILED');
  });
});

describe('a lease', () => {
  it('that is renewed is kept, and its attempt lost a whole period after the last renewal', async () => {
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 600_000 })] });
    const attempt = await world.start(id, 'a');
    for (let beat = 0; beat < 20; beat += 1) {
      await advance(2_000);
      expect(renewLeases(world.engine, [attempt], leaseMs)).toEqual([]);
    }
    expect(world.task(id, 'a')).toMatchObject({ state: 'RUNNING', attempt: 1 });
    await advance(leaseMs - 1);
    expect(stateOf(id, 'a')).toBe('RUNNING');
    await advance(1);
    expect(world.task(id, 'a')).toMatchObject({ state: 'RETRY_WAIT', losses: 1 });
    expect(world.task(id, 'a').error).toContain('the agent agent_1 stopped renewing its lease');
    expect(world.told('stop')).toEqual([{ agentId: 'agent_1', attemptId: attempt }]);
  });

  it('costs no flush while it is renewed', async () => {
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 600_000 })] });
    const attempt = await world.start(id, 'a');
    const before = world.stored.length;
    for (let beat = 0; beat < 30; beat += 1) {
      await advance(1_000);
      renewLeases(world.engine, [attempt], leaseMs);
    }
    expect(world.stored).toHaveLength(before);
  });

  it('does not outlive the time-out of its task', async () => {
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 15_000, retry: { maxAttempts: 1 } })] });
    const attempt = await world.start(id, 'a');
    for (let beat = 0; beat < 15; beat += 1) {
      renewLeases(world.engine, [attempt], leaseMs);
      await advance(1_000);
    }
    expect(world.task(id, 'a').error).toContain('"code":"timeout"');
  });

  it('is lost so often and no more', async () => {
    const id = await world.submit({ tasks: [script('a', { retry: { maxAttempts: 50, backoffMs: 1 } })] });
    for (let losses = 0; losses < poisonAfter; losses += 1) {
      await world.start(id, 'a');
      await advance(leaseMs + 10);
    }
    expect(world.task(id, 'a')).toMatchObject({ state: 'FAILED', error: expect.stringContaining('poison') as string });
  });

  it('begins anew when memory does: the silence was ours', async () => {
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 60_000 })] });
    await world.start(id, 'a');
    await advance(9_000);
    world.engine.doubt(new Error('nobody knows'));
    await world.clock.advance(5_000);
    await world.own();
    await advance(leaseMs - 1);
    expect(stateOf(id, 'a')).toBe('RUNNING');
    await advance(1);
    expect(stateOf(id, 'a')).toBe('RETRY_WAIT');
  });

  it('is not lost while the process itself stood still', async () => {
    let stoodStillMs = 0;
    const clock = new VirtualClock(1_000_000_000);
    const ticking = clock.now;
    await open({ clock: Object.assign(clock, { now: () => ticking() + stoodStillMs }) });
    const id = await world.submit({ tasks: [script('a', { timeoutMs: 600_000 })] });
    await world.start(id, 'a');
    await advance(500);
    stoodStillMs = 30_000;
    await advance(leaseMs);
    expect(stateOf(id, 'a')).toBe('RUNNING');
    await advance(1_000);
    expect(world.task(id, 'a').losses).toBe(1);
  });
});

describe('a run that is not in memory', () => {
  it('is found in time', async () => {
    const asleep = await world.submit({ tasks: [{ id: 'rest', uses: 'sleep', input: { durationMs: 1 } }] });
    await wait(asleep, 'rest', 7_300);
    const dying = await world.submit({ deadlineMs: 9_000, tasks: [script('a')] });
    await world.own();
    expect(world.engine.residents.size).toBe(0);
    await advance(7_299);
    expect(stateOf(asleep, 'rest')).toBe('WAITING');
    await advance(1);
    expect(stateOf(asleep, 'rest')).toBe('SUCCEEDED');
    await advance(1_700);
    expect(world.run(dying).row.state).toBe('FAILED');
  });

  it('that was put out of memory leaves no alarm behind, and fires all the same', async () => {
    await open({ maxResidentRows: 10 });
    const ids: string[] = [];
    for (let index = 0; index < 1_500; index += 1) {
      const id = await world.submit({ tasks: [script('a', { queueTimeoutMs: 100_000 + index })] });
      ids.push(id);
    }
    expect(world.engine.residents.rows).toBeLessThanOrEqual(10);
    expect(timers.size).toBeLessThan(1_100);
    await advance(103_000);
    expect(ids.filter((id) => stateOf(id, 'a') !== 'FAILED')).toEqual([]);
  });
});

describe('a store that does not answer', () => {
  it('delays what is due and loses nothing of it', async () => {
    let fault: StoreFault | undefined;
    await open({ manners: { fault: (operation) => (operation === 'due' ? fault : undefined) } });
    const id = await world.submit({ tasks: [{ id: 'rest', uses: 'sleep', input: { durationMs: 1 } }] });
    await wait(id, 'rest', 2_000);
    await world.own();
    fault = 'before';
    await advance(5_000);
    expect(stateOf(id, 'rest')).toBe('WAITING');
    expect(errors.length).toBeGreaterThan(2);
    expect(errors.slice(0, 3).map(({ restMs }) => restMs)).toEqual([100, 200, 400]);
    fault = undefined;
    await advance(60_000);
    expect(stateOf(id, 'rest')).toBe('SUCCEEDED');
  });

  it('is asked again when what had come due could not be stored', async () => {
    let fault: StoreFault | undefined;
    await open({ manners: { fault: (operation) => (operation === 'flush' ? fault : undefined) } });
    const id = await world.submit({ tasks: [script('a', { queueTimeoutMs: 500 })] });
    fault = 'before';
    await world.clock.advance(500);
    expect(world.engine.isOpen).toBe(false);
    fault = undefined;
    await world.own();
    await advance(1);
    expect(stateOf(id, 'a')).toBe('FAILED');
  });
});

it('nothing fires after the stop', async () => {
  const id = await world.submit({ tasks: [script('a', { queueTimeoutMs: 500 })] });
  await timers.stop();
  await advance(5_000);
  await world.own();
  await advance(5_000);
  expect(stateOf(id, 'a')).toBe('READY');
});

it('fires a thousand at once in few flushes', async () => {
  const tasks = Array.from({ length: 1_200 }, (_, index) =>
    script(`t${index}`, { queueTimeoutMs: 800, onFailure: 'ignore' }),
  );
  const id = await world.submit({ tasks });
  const before = world.stored.length;
  await advance(800);
  expect([...world.run(id).tasks.values()].filter(({ state }) => state === 'FAILED')).toHaveLength(1_200);
  expect(world.stored.length - before).toBeLessThanOrEqual(4);
});

it('alarms of rows that changed are swept out when they are many', async () => {
  const id = await world.submit({ tasks: [script('a')] });
  const alarms = new Alarms(world.engine.residents);
  const row = world.engine.residents.get(id)?.task('a') as TaskRow;
  const { dueAt } = row;
  for (let at = 10_000; at > 0; at -= 1) {
    row.dueAt = at;
    alarms.set(row);
    alarms.set(row);
  }
  expect(alarms.size).toBeLessThan(2_000);
  expect(alarms.take(10_000, 10)).toEqual([row]);
  alarms.set(row);
  row.dueAt = 2;
  row.dueAt = 1;
  expect(alarms.take(0, 10)).toEqual([]);
  expect(alarms.take(1, 10)).toEqual([row]);
  row.dueAt = dueAt;
  expect(await world.report(id, await world.start(id, 'a'), output(1))).toBe(1);
});
