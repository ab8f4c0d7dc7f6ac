import { describe, expect, it } from 'vitest';
import { DispatchWorld } from '../../test/dispatch-world.js';
import { script } from '../../test/engine-world.js';
import type { Flush } from './ports.js';

const whenever = { when: '${{ true }}' };

/** A world that keeps its flushes, once `flushes` is emptied. */
async function watched(options: ConstructorParameters<typeof DispatchWorld>[0] = {}) {
  const flushes: Flush[] = [];
  const world = await DispatchWorld.open({ ...options, manners: { ...options.manners, onFlush: (flush) => flushes.push(flush) } }); // prettier-ignore
  return { world, flushes };
}

const statesOf = ({ tasks }: Flush): string[] => tasks.map(({ taskId, state }) => `${taskId} ${state}`).sort();

describe('a result', () => {
  it('travels in one flush with the release of its children and their claims', async () => {
    const { world, flushes } = await watched();
    await world.submit({
      tasks: [script('a'), script('b', { depends: ['a'], input: { x: '${{ tasks.a.output }}' } })],
    });
    const [first] = world.sent;
    if (!first) throw new Error('the first task goes out');
    flushes.length = 0;
    world.sent.length = 0;
    await world.finish([first], 7);
    expect(flushes.map(statesOf)).toEqual([['a SUCCEEDED', 'b CLAIMED']]);
    expect(world.take()).toEqual({ b: { x: 7 } });
  });

  it('ends the run in the same flush when it was the last', async () => {
    const { world, flushes } = await watched();
    const id = await world.submit({ tasks: [script('a')], output: { is: '${{ tasks.a.output.value }}' } });
    flushes.length = 0;
    await world.finish(world.sent, { value: 3 });
    expect(flushes).toHaveLength(1);
    expect(world.run(id).row).toMatchObject({ state: 'SUCCEEDED', output: '{"is":3}' });
  });

  it('goes through a chain of steps that need nobody, in the same flush', async () => {
    const { world, flushes } = await watched();
    const skipped = Array.from({ length: 40 }, (_, at) =>
      script(`s${at}`, { depends: [at === 0 ? 'a' : `s${at - 1}`], when: '${{ false }}' }),
    );
    const items = script('each', { depends: ['s39'], forEach: '${{ [] }}' });
    const id = await world.submit({
      tasks: [script('a'), ...skipped, items, script('z', { depends: ['each'], ...whenever })],
    });
    flushes.length = 0;
    const [first] = world.sent.splice(0);
    await world.finish(first ? [first] : []);
    expect(flushes).toHaveLength(1);
    expect(world.task(id, 's39').state).toBe('SKIPPED');
    expect(world.task(id, 'each').output).toBe('[]');
    expect(world.task(id, 'z').state).toBe('CLAIMED');
  });

  it('lets nothing go out before its claim is stored, and nothing that left the claim meanwhile', async () => {
    let isHeld = false;
    let go: () => void = () => undefined;
    const wait = (operation: string): Promise<void> =>
      operation === 'flush' && isHeld ? new Promise((resolve) => (go = resolve)) : Promise.resolve();
    const world = await DispatchWorld.open({ manners: { wait } });
    isHeld = true;
    const id = await world.submit({ tasks: [script('a'), script('b')] });
    expect(world.sent).toEqual([]);
    expect(world.engine.residents.get(id)?.task('a')?.state).toBe('CLAIMED');
    void world.engine.transact([id], (unit, outcomes) => {
      const task = unit.task({ runId: id, taskId: 'b', itemIndex: -1 });
      if (task) outcomes.returnUnstarted(task, 'agent_gone');
    });
    world.slots = 1;
    await world.clock.settle();
    isHeld = false;
    go();
    await world.clock.settle();
    expect(world.take()).toEqual({ a: null });
  });
});

describe('a claim', () => {
  it('takes what there is room for, the best first, and goes on when a credit is free', async () => {
    const world = await DispatchWorld.open({ slots: 2, settings: { claimBatch: 1 } });
    const priorities = [1, 9, 5, 7];
    await world.submit({ tasks: priorities.map((priority) => script(`p${priority}`, { priority })) });
    expect(Object.keys(world.take())).toEqual(['p9', 'p7']);
    const { row } = { row: world.task('run_1', 'p9') };
    await world.report('run_1', row.attemptId ?? '');
    expect(Object.keys(world.take())).toEqual(['p5']);
    expect(world.credits.usedBy('agent_1', 'script')).toBe(2);
  });

  it('of a task whose input cannot be computed fails it and gives its credit back', async () => {
    const world = await DispatchWorld.open();
    const id = await world.submit({ input: { n: 1 }, tasks: [script('a', { input: '${{ input.n.m }}' })] });
    expect(world.task(id, 'a').state).toBe('FAILED');
    expect(world.run(id).row.state).toBe('FAILED');
    expect(world.sent).toEqual([]);
    expect(world.credits.usedBy('agent_1', 'script')).toBe(0);
  });

  it('waits for stored JSON that a script gets by value, without holding up others', async () => {
    const world = await DispatchWorld.open();
    world.payloads.values.set('blob_1', '{"deep":[1,2]}');
    world.payloads.isDown = true;
    const reference = { $blob: 'blob_1', mediaType: 'application/json', bytes: 14 };
    const id = await world.submit({
      tasks: [
        script('a'),
        script('b', { depends: ['a'], input: '${{ tasks.a.output }}' }),
        script('c', { depends: ['a'] }),
      ],
    });
    await world.finish(world.sent.splice(0), reference);
    expect(world.take()).toEqual({ c: null });
    expect(world.task(id, 'b').state).toBe('READY');
    expect(world.credits.usedBy('agent_1', 'script')).toBe(1);
    world.payloads.isDown = false;
    await world.clock.advance(10_000);
    expect(world.take()).toEqual({ b: { deep: [1, 2] } });
  });

  it('works on runs that are not in memory, and on texts that only the store has', async () => {
    const world = await DispatchWorld.open({ slots: 1, maxResidentRows: 2, maxPayloadBytes: 1 });
    const each = (n: number) => ({
      tasks: [script('a', { input: n }), script('b', { depends: ['a'], input: '${{ tasks.a.output }}' })],
    });
    for (const n of [1, 2, 3, 4, 5]) await world.submit(each(n));
    const seen: unknown[] = [];
    for (let left = 10; left > 0; left -= 1) {
      const [work] = world.sent.splice(0);
      if (!work) throw new Error(`${left} are left`);
      seen.push(`${work.row.runId} ${work.row.taskId} ${work.input.inputJson}`);
      await world.finish([work], `out of ${work.row.runId}`);
    }
    expect(seen).toHaveLength(10);
    for (const n of [1, 2, 3, 4, 5]) {
      expect(seen).toContain(`run_${n} a ${n}`);
      expect(seen).toContain(`run_${n} b "out of run_${n}"`);
      expect(world.run(`run_${n}`).row.state).toBe('SUCCEEDED');
    }
    expect(world.engine.residents.rows).toBeLessThanOrEqual(4);
  });

  it('is not made while the broker takes nothing', async () => {
    const world = await DispatchWorld.open();
    world.isBlocked = true;
    await world.submit({ tasks: [script('a')] });
    expect(world.sent).toEqual([]);
    world.isBlocked = false;
    world.dispatcher.wake();
    await world.clock.settle();
    expect(world.take()).toEqual({ a: null });
  });

  it('reaches every task of a queue of which memory holds a small part', async () => {
    const world = await DispatchWorld.open({ slots: 7, settings: { headSize: 10 } });
    const { length } = Array.from({ length: 300 });
    await world.submit({ tasks: Array.from({ length }, (_, at) => script(`t${String(at).padStart(3, '0')}`)) });
    expect(world.order.size).toBeLessThanOrEqual(20);
    expect(world.heads.sizeOf('organisation globex')).toBe(length - 7);
    const done: string[] = [];
    while (world.sent.length > 0) {
      const works = world.sent.splice(0);
      done.push(...works.map(({ row }) => row.taskId));
      expect(world.order.size).toBeLessThanOrEqual(20);
      await world.finish(works);
    }
    expect(done).toHaveLength(length);
    expect(done).toEqual([...done].sort());
    expect(world.run('run_1').row.state).toBe('SUCCEEDED');
  });
});

describe('what was handed back', () => {
  it('rests before it is claimed again, longer each time', async () => {
    const world = await DispatchWorld.open();
    const id = await world.submit({ tasks: [script('a')] });
    const handBack = () =>
      world.decide(id, (unit, outcomes, run) => {
        const task = run.task('a');
        if (task) outcomes.returnUnstarted(task, 'returned');
      });
    for (const restMs of [50, 100, 200]) {
      expect(world.take()).toEqual({ a: null });
      await handBack();
      await world.clock.advance(restMs - 1);
      expect(world.sent).toEqual([]);
      await world.clock.advance(1);
    }
    expect(world.take()).toEqual({ a: null });
  });
});

describe('items', () => {
  it('are joined in order, in the flush of the last, null for one that failed', async () => {
    const { world, flushes } = await watched();
    const id = await world.submit({
      tasks: [script('each', { forEach: '${{ [1, 2, 3] }}', itemFailure: 'continue', input: '${{ item }}' })],
      output: '${{ tasks.each.output }}',
    });
    const works = world.sent.splice(0);
    expect(works.map(({ input }) => input.inputJson)).toEqual(['1', '2', '3']);
    const [one, two, three] = works;
    await world.finish(three ? [three] : [], 'c');
    const failed = { case: 'error', code: 'invalid_input', message: 'no', retryable: false } as const;
    await world.report(id, two?.row.attemptId ?? '', failed);
    flushes.length = 0;
    await world.finish(one ? [one] : [], 'a');
    expect(flushes).toHaveLength(1);
    expect(world.run(id).row).toMatchObject({ state: 'SUCCEEDED', output: '["a",null,"c"]' });
  });

  it('are joined from the store when memory has put their outputs out, and kept as a blob when they are long', async () => {
    const world = await DispatchWorld.open({ maxPayloadBytes: 10 });
    const id = await world.submit({
      tasks: [script('each', { forEach: '${{ [1, 2, 3, 4] }}' })],
      output: '${{ tasks.each.output }}',
    });
    const long = 'x'.repeat(400);
    world.payloads.isDown = true;
    for (const work of world.sent.splice(0)) await world.finish([work], long);
    expect(world.task(id, 'each').state).toBe('RUNNING');
    world.payloads.isDown = false;
    await world.clock.advance(10_000);
    expect(world.run(id).row).toMatchObject({
      state: 'SUCCEEDED',
      output: '{"$blob":"blob_1","mediaType":"application/json","bytes":1613}',
    });
    expect(JSON.parse(world.payloads.values.get('blob_1') ?? '')).toEqual([long, long, long, long]);
  });
});

describe('steps instead of a claim', () => {
  it('begin and end a run inside a run', async () => {
    const world = await DispatchWorld.open();
    const inner = { name: 'inner', tasks: [script('x', { input: '${{ input.n }}' })], output: '${{ tasks.x.output }}' };
    const id = await world.submit({
      tasks: [{ id: 'nested', uses: 'run', document: inner, input: { n: 5 } }],
      output: '${{ tasks.nested.output }}',
    });
    expect(world.task(id, 'nested').state).toBe('WAITING');
    const works = [...world.sent];
    expect(world.take()).toEqual({ x: 5 });
    await world.finish(works, 6);
    expect(world.run(id).row).toMatchObject({ state: 'SUCCEEDED', output: '6' });
  });

  it('put a sleep to sleep', async () => {
    const world = await DispatchWorld.open();
    const id = await world.submit({ tasks: [{ id: 's', uses: 'sleep', input: { durationMs: 500 } }] });
    expect(world.task(id, 's')).toMatchObject({ state: 'WAITING', dueAt: world.clock.now() + 500 });
  });
});

describe('memory that was thrown away', () => {
  it('is read anew after a flush that failed, and everything goes on', async () => {
    let fails = 0;
    const fault = (operation: string) => {
      if (operation !== 'flush' || fails === 0) return undefined;
      fails -= 1;
      return fails % 2 === 0 ? ('before' as const) : ('after' as const);
    };
    const world = await DispatchWorld.open({ slots: 3, settings: { headSize: 4 }, manners: { fault } });
    const tasks = Array.from({ length: 40 }, (_, at) => script(`t${at}`, at % 3 === 0 ? whenever : {}));
    await world.submit({ tasks });
    const done = new Set<string>();
    for (let round = 0; round < 200 && world.run('run_1').row.state !== 'SUCCEEDED'; round += 1) {
      if (round % 4 === 0) fails = 1 + (round % 3);
      for (const work of world.sent.splice(0)) {
        done.add(work.row.taskId);
        await world.finish([work]).catch(() => undefined);
        await world.finish([work]).catch(() => undefined);
      }
      await world.clock.advance(10_000);
    }
    expect(world.run('run_1').row.state).toBe('SUCCEEDED');
    expect(done.size).toBe(40);
    expect(world.troubles).toContain('trusting memory');
    expect(world.credits.agents().size).toBe(0);
  });

  it('publishes claims that nobody publishes, under the same attempt, and no others', async () => {
    const world = await DispatchWorld.open();
    await world.submit({ tasks: [script('a', { input: 1 }), script('b', { input: 2 })] });
    const attempts = world.sent.splice(0).map(({ row }) => row.attemptId);
    world.publishing.add(attempts[1] ?? '');
    await world.own();
    expect(world.sent.map(({ row, input, target }) => [row.attemptId, input.inputJson, target.agentId])).toEqual([
      [attempts[0], '1', 'agent_1'],
    ]);
    expect(world.credits.usedBy('agent_1', 'script')).toBe(2);
  });

  it('takes published work back where the bus forgets, once', async () => {
    const before = await DispatchWorld.open();
    const id = await before.submit({ tasks: [script('a')] });
    const [work] = before.sent;
    await before.decide(id, (unit, _outcomes, run) => {
      const task = run.task('a');
      if (task) unit.move(task, 'published', { dueAt: task.dueAt });
    });
    const world = await DispatchWorld.open({ state: before.state, clock: before.clock, busIsDurable: false });
    await world.clock.advance(1_000);
    expect(world.take()).toEqual({ a: null });
    expect(world.task(id, 'a').attemptId).not.toBe(work?.row.attemptId);
  });

  it('counts unfinished tasks from the store and from what is decided', async () => {
    const before = await DispatchWorld.open({ slots: 1 });
    await before.submit({ tasks: [script('a'), script('b'), script('c')] });
    const world = await DispatchWorld.open({ state: before.state, clock: before.clock, slots: 1 });
    expect(world.queued.of('globex')).toBe(3);
    await world.finish(world.sent.splice(0));
    expect(world.queued.of('globex')).toBe(2);
  });
});

describe('limits', () => {
  const limits = { maxInFlight: 0, ratePerSecond: 0, burst: 0, maxQueued: 0, weight: 1, serviceClass: 0 };
  const scope = { kind: 'organisation', organisation: 'globex', name: 'globex' } as const;

  it('hold and let go what they are about', async () => {
    const world = await DispatchWorld.open();
    await world.do(world.limits.put({ ...scope, limits: { ...limits, maxInFlight: 2 }, paused: false }, 'ada'));
    await world.submit({ tasks: [script('a'), script('b'), script('c')] });
    expect(Object.keys(world.take())).toEqual(['a', 'b']);
    await world.do(world.limits.put({ ...scope, limits, paused: false }, 'ada'));
    expect(Object.keys(world.take())).toEqual(['c']);
  });

  it('start so many a second', async () => {
    const world = await DispatchWorld.open();
    await world.do(
      world.limits.put({ ...scope, limits: { ...limits, ratePerSecond: 2, burst: 1 }, paused: false }, 'ada'),
    );
    await world.submit({ tasks: ['a', 'b', 'c', 'd'].map((id) => script(id)) });
    const starts: number[] = [];
    for (let ms = 0; ms <= 2_000; ms += 250) {
      starts.push(world.sent.splice(0).length);
      await world.clock.advance(250);
    }
    expect(starts).toEqual([1, 0, 1, 0, 1, 0, 1, 0, 0]);
  });

  it('are kept in slices when others share them, none at all included', async () => {
    const world = await DispatchWorld.open();
    await world.do(world.limits.put({ ...scope, limits: { ...limits, maxInFlight: 4 }, paused: false }, 'ada'));
    let part = 0;
    const slices = {
      inFlight: () => part,
      rate: (_: string, whole: number) => whole,
      credits: () => 0,
      share: () => 1,
    };
    world.limits.setSlices(slices);
    await world.submit({ tasks: ['a', 'b', 'c'].map((id) => script(id)) });
    expect(world.take()).toEqual({});
    part = 2;
    world.limits.setSlices(slices);
    await world.clock.settle();
    expect(Object.keys(world.take())).toEqual(['a', 'b']);
  });
});
