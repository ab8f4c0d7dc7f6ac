import { describe, expect, it } from 'vitest';
import { DispatchWorld, type DispatchOptions } from '../../test/dispatch-world.js';
import { script } from '../../test/engine-world.js';
import { factsInMemory, waitingOf, type KnownAgents, type Waiting } from './waiting.js';

const noAgents: KnownAgents = { isFresh: true, candidates: () => [], offered: () => [] };
const someAgent: KnownAgents = { isFresh: true, candidates: () => ['agent_1'], offered: () => ['script'] };

async function opened(options: DispatchOptions, tasks: readonly object[], directory = someAgent) {
  const world = await DispatchWorld.open(options);
  const id = await world.submit({ tasks });
  const targets = { hasRoom: () => false };
  const { order, heads, limits } = world;
  const why = (taskId: string, { index = -1, most = 1_000 } = {}): Waiting | undefined => {
    const run = world.engine.residents.get(id);
    const task = run?.task(taskId, index);
    if (!run || !task) throw new Error(`${taskId} is not in memory`);
    return waitingOf(task, factsInMemory(run, task, most), { directory, targets, order, heads, limits });
  };
  return { world, id, why };
}

describe('why a task waits, from memory', () => {
  it('names unfinished parents only', async () => {
    const { world, id, why } = await opened({}, [script('a'), script('b'), script('c', { depends: ['a', 'b'] })]);
    expect(why('c')).toEqual({ code: 'dependencies', message: 'waits for a, b' });
    await world.report(id, world.task(id, 'a').attemptId ?? '');
    expect(why('c')).toEqual({ code: 'dependencies', message: 'waits for b' });
    expect(why('a')).toBeUndefined();
    expect(why('b')).toMatchObject({ code: 'busy', message: 'handed to agent_1, not started yet' });
  });

  it('names the place in the order, as far as it is counted', async () => {
    const many = Array.from({ length: 20 }, (_, at) => script(`t${String(at).padStart(2, '0')}`));
    const { why } = await opened({ slots: 0 }, many);
    expect(why('t03')).toMatchObject({ code: 'busy', position: 4 });
    expect(why('t03')?.message).toBe("every agent that serves script is busy; place 4 in its organisation's order");
    expect(why('t19', { most: 10 })).toMatchObject({ position: 11 });
  });

  it('says how many at least go before what only the store orders', async () => {
    const many = Array.from({ length: 40 }, (_, at) => script(`t${String(at).padStart(2, '0')}`));
    const { why } = await opened({ slots: 0, settings: { headSize: 8 } }, many);
    expect(why('t07')).toMatchObject({ position: 8 });
    expect(why('t39')).toMatchObject({ code: 'busy', after: 8 });
    expect(why('t39')?.message).toMatch(/; behind place 8 of its organisation's order$/);
    expect(why('t39')?.position).toBeUndefined();
  });

  it('says that no agent serves it, that its run is paused, or what limit holds it', async () => {
    const { world, id, why } = await opened({ slots: 0 }, [script('a')], noAgents);
    expect(why('a')).toMatchObject({ code: 'no_agent', message: 'asks for script; no agent offers it in any version' });
    const limits = { maxInFlight: 0, ratePerSecond: 0, burst: 0, maxQueued: 0, weight: 1, serviceClass: 0 };
    const scope = { kind: 'capability', organisation: '', name: 'script', limits } as const;
    await world.do(world.limits.put({ ...scope, paused: true }, 'ada'));
    expect(why('a')).toMatchObject({ code: 'paused', message: 'capability script is paused' });
    await world.decide(id, (unit, _outcomes, run) => unit.moveRun(run.row, 'pause'));
    expect(why('a')).toEqual({ code: 'paused', message: 'the run is paused' });
  });

  it('counts the items of a forEach', async () => {
    const { world, id, why } = await opened({ slots: 1 }, [
      script('each', { forEach: '${{ [1, 2, 3] }}', maxParallel: 1 }),
    ]);
    expect(why('each')).toMatchObject({ code: 'concurrency', message: '2 items wait for a place within maxParallel' });
    expect(why('each', { index: 2 })).toMatchObject({ code: 'concurrency' });
    world.slots = 0;
    await world.report(id, world.task(id, 'each', 0).attemptId ?? '');
    expect(why('each')).toMatchObject({ code: 'busy' });
  });
});
