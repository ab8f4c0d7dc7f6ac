import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { error, output, script } from '../../test/engine-world.js';
import { SchedulingWorld } from '../../test/scheduling-world.js';
import { cancelRun } from './cancel-run.js';
import { readyEntry, taskKey } from './rows.js';
import { pauseRun, resumeRun, setPriority } from './steer-run.js';

const kinds = ({ mended }: SchedulingWorld): string[] => mended.map(({ kind }) => kind);
const sleep = (id: string, durationMs: number, more: object = {}) => ({
  id, uses: 'sleep', input: { durationMs }, ...more,
}); // prettier-ignore

describe('the sweeper', () => {
  it('finds nothing in a world that works, and looks again and again', async () => {
    const world = await SchedulingWorld.open();
    await world.submit({ tasks: [script('a'), script('b', { depends: ['a'] }), sleep('rest', 30_000)] });
    world.slots = 0;
    await world.submit({ tasks: Array.from({ length: 60 }, (_, at) => script(`t${at}`)) });
    await world.clock.advance(9_000);
    expect(world.scheduling.sweeper.sweeps).toBeGreaterThan(5);
    expect(world.mended).toEqual([]);
  });

  it('offers a ready task again that has dropped out of the order', async () => {
    const world = await SchedulingWorld.open();
    world.slots = 0;
    const id = await world.submit({ tasks: [script('a'), script('b')] });
    world.scheduling.order.remove(taskKey(world.memory(id, 'a')));
    await world.sweep();
    expect(kinds(world)).toEqual(['place', 'place']);
    expect(world.mended.every(({ says, isMended }) => isMended && says.includes(id))).toBe(true);
    world.slots = 2;
    world.scheduling.dispatcher.wake();
    await world.clock.settle();
    expect(world.sent.map(({ row }) => row.taskId).sort()).toEqual(['a', 'b']);
  });

  it('takes a task back from the order that is not ready', async () => {
    const world = await SchedulingWorld.open();
    world.slots = 0;
    const id = await world.submit({ tasks: [script('a'), sleep('rest', 100_000)] });
    const key = taskKey(world.memory(id, 'a'));
    world.forge = ({ unready }) => unready.splice(0);
    await world.do(pauseRun(world.scheduling.engine, id, { by: 'ada', reason: '' }));
    world.forge = () => undefined;
    expect(world.scheduling.order.has(key)).toBe(true);
    await world.sweep();
    expect(kinds(world)).toContain('place');
    expect(world.scheduling.order.has(key)).toBe(false);
  });

  it.each(['finalise', 'aggregate'] as const)('does a %s that was lost', async (lost) => {
    const world = await SchedulingWorld.open();
    const id = await world.submit({ tasks: [script('each', { forEach: '${{ [1, 2] }}' })] });
    world.forge = (effects) => effects[lost].splice(0);
    await world.finish();
    world.forge = () => undefined;
    await world.clock.settle();
    expect(world.state.runs.get(id)?.row.state).toBe('RUNNING');
    await world.sweep();
    expect(new Set(kinds(world))).toEqual(new Set(['step']));
    expect(world.state.runs.get(id)?.row.state).toBe('SUCCEEDED');
  });

  it('answers a task whose run has ended', async () => {
    const world = await SchedulingWorld.open();
    const id = await world.submit({ tasks: [{ id: 'sub', uses: 'run', document: { tasks: [script('a')] } }] });
    world.forge = ({ answered }) => answered.splice(0);
    await world.finish();
    world.forge = () => undefined;
    expect(world.task(id, 'sub').state).toBe('WAITING');
    await world.sweep();
    expect(new Set(kinds(world))).toEqual(new Set(['step']));
    expect(world.state.runs.get(id)?.row.state).toBe('SUCCEEDED');
  });

  it('frees a credit that leaked', async () => {
    const world = await SchedulingWorld.open();
    world.slots = 1;
    await world.submit({ tasks: [script('a'), script('b')] });
    world.forge = ({ freed }) => freed.splice(0);
    await world.finish();
    world.forge = () => undefined;
    expect(world.sent).toEqual([]);
    await world.sweep();
    expect(kinds(world)).toEqual(['credit']);
    expect(world.sent.map(({ row }) => row.taskId)).toEqual(['b']);
  });

  it('sets a timer again that was dropped', async () => {
    const world = await SchedulingWorld.open();
    world.forge = ({ timed }) => timed.splice(0);
    const id = await world.submit({ tasks: [sleep('rest', 60_000)] });
    world.forge = () => undefined;
    await world.sweep();
    expect(kinds(world)).toEqual(['timer']);
    await world.clock.advance(60_000);
    expect(world.task(id, 'rest').state).toBe('SUCCEEDED');
    expect(kinds(world)).toEqual(['timer']);
  });

  it('reads memory anew when it has forgotten an attempt, or a counter is wrong', async () => {
    const world = await SchedulingWorld.open();
    const id = await world.submit({ tasks: [script('a'), script('b', { depends: ['a'] })] });
    const { generation } = world.scheduling.engine;
    Object.assign(world.memory(id, 'a'), { attemptId: 'another' });
    await world.sweep();
    expect(new Set(kinds(world))).toEqual(new Set(['attempt']));
    expect(world.scheduling.engine.generation).toBeGreaterThan(generation);
    expect(world.memory(id, 'a').attemptId).toBe(world.task(id, 'a').attemptId);
    world.mended.length = 0;
    const run = world.scheduling.engine.residents.get(id);
    if (run) run.row.openTasks += 1;
    await world.sweep();
    expect(kinds(world)).toEqual(['count']);
    expect(world.scheduling.engine.residents.get(id)?.row.openTasks).toBe(2);
  });

  it('reads memory anew once for what the store has wrong, and goes on telling', async () => {
    const world = await SchedulingWorld.open();
    world.slots = 0;
    const id = await world.submit({ tasks: [script('a')] });
    Object.assign(world.task(id, 'a'), { state: 'BLOCKED', pending: 1 });
    world.scheduling.engine.doubt(new Error('a new start'));
    await world.clock.advance(1_000);
    await world.do(world.scheduling.engine.transact([id], () => undefined));
    const { generation } = world.scheduling.engine;
    for (let at = 0; at < 3; at += 1) {
      await world.sweep();
      await world.do(world.scheduling.engine.transact([id], () => undefined));
    }
    expect(world.mended.map(({ kind, isMended }) => [kind, isMended])).toEqual([
      ['stuck', true],
      ['stuck', false],
      ['stuck', false],
    ]);
    expect(world.scheduling.engine.generation).toBe(generation + 2);
  });

  it('says nothing of what is put right by itself before the second look', async () => {
    const world = await SchedulingWorld.open();
    world.slots = 0;
    const id = await world.submit({ tasks: [script('a')] });
    const { order, heads } = world.scheduling;
    const key = taskKey(world.memory(id, 'a'));
    order.remove(key);
    await world.clock.advance(2_000);
    heads.restore(readyEntry(world.memory(id, 'a')));
    await world.sweep();
    expect(world.mended).toEqual([]);
    expect(order.has(key)).toBe(true);
  });

  it('rests while the store does not answer, and does not look any more when it is stopped', async () => {
    const world = await SchedulingWorld.open();
    const snapshot = world.store.snapshot.bind(world.store);
    world.store.snapshot = () => Promise.reject(new Error('the store does not answer'));
    await world.clock.advance(5_000);
    expect(world.scheduling.sweeper.sweeps).toBe(0);
    expect(world.troubles).toContain('comparing memory with the store');
    world.store.snapshot = snapshot;
    await world.clock.advance(5_000);
    const { sweeps } = world.scheduling.sweeper;
    expect(sweeps).toBeGreaterThan(0);
    await world.scheduling.stop();
    await world.clock.advance(5_000);
    expect(world.scheduling.sweeper.sweeps).toBe(sweeps);
  });
});

const retried = { retry: { maxAttempts: 2, backoffMs: 700, jitter: 0 } };
const documents = [
  { tasks: [script('a', retried), script('b', { depends: ['a'] }), script('c', { depends: ['a', 'b'] })] },
  { tasks: [script('each', { forEach: '${{ [1, 2, 3, 4, 5] }}', maxParallel: 2, onFailure: 'continue' }), script('z', { depends: ['each'] })] },
  { tasks: [sleep('rest', 3_000), script('after', { depends: ['rest'], when: '${{ true }}' })] },
  { tasks: [{ id: 'sub', uses: 'run', document: { tasks: [script('a'), sleep('s', 500)] } }, script('e', { queueTimeoutMs: 4_000 })] },
  { deadlineMs: 9_000, tasks: Array.from({ length: 30 }, (_, at) => script(`t${at}`, { priority: at % 10 })) },
]; // prettier-ignore

/** Time-outs that strike within the second look. */
const hurried = { startWithinMs: 4_000, leaseMs: 3_000 };

const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant('submit' as const), which: fc.nat(documents.length - 1) }),
    fc.record({ what: fc.constantFrom('finish', 'fail', 'slots', 'wait', 'start'), which: fc.nat(40) }),
    fc.record({ what: fc.constantFrom('pause', 'resume', 'cancel', 'priority', 'doubt'), which: fc.nat(20) }),
  ),
  { minLength: 10, maxLength: 60 },
);

type Act = (world: SchedulingWorld, which: number, runs: string[]) => Promise<unknown>;

const by = 'ada';
/** Steering a run that is over, or not there. */
const refused = (thrown: unknown): void => {
  expect(thrown).toBeInstanceOf(CogmeshError);
};
const runOf = (runs: readonly string[], which: number): string => runs[which % Math.max(1, runs.length)] ?? '';

const acts: Readonly<Record<string, Act>> = {
  submit: async (world, which, runs) => runs.push(await world.submit(documents[which] ?? {})),
  finish: (world, which) => world.finish(which, output({ n: which })),
  fail: (world, which) => world.finish(which % 4, error('unavailable', true)),
  wait: (world, which) => world.clock.advance(which * 50),
  doubt: ({ scheduling }) => Promise.resolve(scheduling.engine.doubt(new Error('for a change'))),
  slots: (world, which) => {
    world.slots = which;
    return Promise.resolve(world.scheduling.dispatcher.wake());
  },
  start: (world, which) => {
    const begun = world.sent.slice(0, which).map(({ row }) => row);
    const started = begun.map(({ attemptId, runId }) => ({ attemptId, runId, agentId: 'agent_1' }));
    return world.do(world.scheduling.intake.started(started));
  },
  pause: ({ scheduling }, which, runs) => pauseRun(scheduling.engine, runOf(runs, which), { by, reason: '' }),
  resume: ({ scheduling }, which, runs) => resumeRun(scheduling.engine, runOf(runs, which), { by }),
  priority: ({ scheduling }, which, runs) =>
    setPriority(scheduling.engine, runOf(runs, which), { taskId: undefined, priority: which % 10, by }),
  cancel: ({ scheduling }, which, runs) =>
    scheduling.engine.transact([runOf(runs, which)], (unit) => {
      for (const run of unit.runs) cancelRun(unit, run, '');
    }),
};

describe('whatever happens to runs', () => {
  it('the sweeper finds nothing to mend', { timeout: 120_000 }, async () => {
    let [sweeps, mended, tasks] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(1, 20, 100_000), fc.constantFrom(2, 10), async (program, rows, headSize) => {
        const world = await SchedulingWorld.open({ ...hurried, maxResidentRows: rows, headSize });
        const runs: string[] = [];
        for (const { what, which } of program) await world.do(Promise.resolve(acts[what]?.(world, which, runs)).catch(refused));
        await world.clock.advance(30_000);
        expect(world.mended).toEqual([]);
        sweeps += world.scheduling.sweeper.sweeps;
        mended += world.mended.length;
        tasks += [...world.state.runs.values()].reduce((sum, run) => sum + run.tasks.size, 0);
        await world.scheduling.stop();
      }),
      { numRuns: 60 },
    ); // prettier-ignore
    expect(mended).toBe(0);
    expect(sweeps).toBeGreaterThan(600);
    expect(tasks).toBeGreaterThan(1_000);
  });
});
