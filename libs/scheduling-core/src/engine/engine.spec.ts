import { CogmeshError } from '@cogmesh/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import { ageingMs, EngineWorld, output, script, type WorldOptions } from '../../test/engine-world.js';
import type { StoreFault } from '../simulation/memory-store.js';
import { newRun } from './new-run.js';
import type { Flush } from './ports.js';
import type { TaskRow } from './rows.js';

let world: EngineWorld;
let flushes: Flush[];
let fault: StoreFault | undefined;
/** Operations of the store that wait for `open`. */
let gates: { readonly operation: string; readonly open: () => void }[];
let isGated: (operation: string) => boolean;

async function open(options: WorldOptions = {}): Promise<void> {
  [flushes, gates, fault, isGated] = [[], [], undefined, () => false];
  const manners = {
    onFlush: (flush: Flush) => flushes.push(flush),
    fault: (operation: string) => (operation === 'flush' ? fault : undefined),
    wait: (operation: string) =>
      isGated(operation) ? new Promise<void>((go) => gates.push({ operation, open: go })) : Promise.resolve(),
  };
  world = await EngineWorld.open({ ...options, manners });
}
beforeEach(() => open());

const ab = { tasks: [script('a'), script('b')] };

/** A change of one task, without the wait for its end. */
function touch(runId: string, taskId = 'a'): Promise<void> {
  const changed = world.engine.transact([runId], (unit) => {
    const task = unit.task({ runId, taskId, itemIndex: -1 }) as TaskRow;
    const attemptId = `${runId}/${taskId}`;
    unit.move(task, 'claim', { attemptId, agentId: 'agent_1', capability: 'script', dueAt: unit.now + 5_000 });
  });
  changed.catch(() => undefined);
  return changed;
}

const openGate = (operation: string) =>
  gates
    .splice(
      gates.findIndex((gate) => gate.operation === operation),
      1,
    )[0]
    ?.open();

describe('group commit', () => {
  it('writes what is decided in one turn together, and each row once', async () => {
    const ids = [await world.submit(ab), await world.submit(ab)];
    flushes.length = 0;
    await world.do(Promise.all(ids.flatMap((id) => [touch(id, 'a'), touch(id, 'b')])));
    expect(flushes).toHaveLength(1);
    expect(flushes[0]?.tasks).toHaveLength(4);
    const [id = ''] = ids;
    const twice = world.engine.transact([id], (unit) => {
      for (const task of unit.resident({ runId: id }).tasks) {
        unit.move(task, 'published', { dueAt: task.dueAt });
        unit.move(task, 'started', { attempt: 1 });
      }
    });
    await world.do(twice);
    expect(flushes[1]?.tasks.map(({ state }) => state)).toEqual(['RUNNING', 'RUNNING']);
    expect(flushes[1]?.history.map(({ taskState, runState }) => taskState ?? runState)).toEqual([
      'RUNNING',
      'RUNNING',
      'RUNNING',
    ]);
  });

  it('gathers the next flush while one is under way, and never has two', async () => {
    const ids = [await world.submit(ab), await world.submit(ab), await world.submit(ab)];
    flushes.length = 0;
    isGated = (operation) => operation === 'flush';
    const answered: string[] = [];
    const touches = ids.map((id) => touch(id).then(() => answered.push(id)));
    await world.clock.settle();
    const more = ids.map((id) => touch(id, 'b').then(() => answered.push(`${id} b`)));
    await world.clock.settle();
    expect(gates).toHaveLength(1);
    openGate('flush');
    await Promise.all(touches);
    expect(answered).toEqual(ids);
    await world.clock.settle();
    expect(gates).toHaveLength(1);
    openGate('flush');
    await world.do(Promise.all(more));
    expect(flushes.map(({ tasks }) => tasks.length)).toEqual([3, 3]);
  });

  it('answers nobody before it is stored, and tells memory at once and the world then', async () => {
    const id = await world.submit(ab);
    isGated = (operation) => operation === 'flush';
    const order: string[] = [];
    world.engine.listen({
      decided: ({ claimed }) => order.push(`decided ${claimed.length}`),
      stored: (effects) => order.push(`stored ${effects.flatMap(({ claimed }) => claimed).length}`),
    });
    const done = touch(id).then(() => order.push('answered'));
    await world.clock.settle();
    expect(order).toEqual(['decided 1']);
    expect(world.engine.attempt(`${id}/a`)).toMatchObject({ state: 'CLAIMED' });
    openGate('flush');
    await world.do(done);
    expect(order).toEqual(['decided 1', 'stored 1', 'answered']);
  });

  it('makes who only looks wait for what it saw, and for nothing else', async () => {
    const [seen, other] = [await world.submit(ab), await world.submit(ab)];
    isGated = (operation) => operation === 'flush';
    const changed = touch(seen);
    await world.clock.settle();
    const looked: string[] = [];
    const look = (id: string) => world.engine.transact([id], () => undefined).then(() => looked.push(id));
    const looks = [look(seen), look(other)];
    await world.clock.settle();
    expect(looked).toEqual([other]);
    openGate('flush');
    await world.do(Promise.all([changed, ...looks]));
    expect(looked).toEqual([other, seen]);
  });

  it('writes rows as they are when it begins, although they go on changing', async () => {
    const id = await world.submit(ab);
    isGated = (operation) => operation === 'flush';
    const first = touch(id);
    await world.clock.settle();
    const second = world.engine.transact([id], (unit) => {
      unit.move(unit.held(`${id}/a`) as TaskRow, 'published', { dueAt: null });
    });
    await world.clock.settle();
    openGate('flush');
    await first;
    expect(world.task(id, 'a').state).toBe('CLAIMED');
    await world.clock.settle();
    openGate('flush');
    await world.do(second);
    expect(world.task(id, 'a').state).toBe('PUBLISHED');
  });

  it('can be waited for', async () => {
    const id = await world.submit(ab);
    isGated = (operation) => operation === 'flush';
    void touch(id);
    await world.clock.settle();
    let isStored = false;
    const stored = world.engine.stored().then(() => (isStored = true));
    await world.clock.settle();
    expect(isStored).toBe(false);
    openGate('flush');
    await world.do(stored);
    await world.do(world.engine.stored());
  });
});

describe('a refusal', () => {
  it('before the first change leaves memory as it is', async () => {
    const id = await world.submit(ab);
    const { generation } = world.engine;
    const refused = world.engine.transact([id], () => {
      throw new CogmeshError('failed_precondition', 'no');
    });
    await expect(world.do(refused)).rejects.toMatchObject({ message: 'no' });
    expect([world.engine.isOpen, world.engine.generation]).toEqual([true, generation]);
  });

  it('after it throws memory away: half a decision is none', async () => {
    const id = await world.submit(ab);
    const doubts: string[] = [];
    world.engine.listen({ doubted: ({ message }) => doubts.push(message) });
    flushes.length = 0;
    const other = touch(await world.submit(ab));
    const broken = world.engine.transact([id], (unit) => {
      unit.move(unit.task({ runId: id, taskId: 'a', itemIndex: -1 }) as TaskRow, 'cancel');
      throw new Error('broken');
    });
    await expect(world.do(broken)).rejects.toThrow('broken');
    await expect(other).rejects.toThrow('broken');
    expect([doubts, world.engine.isOpen, flushes.length]).toEqual([['broken'], false, 0]);
    await world.own();
    expect(world.states(id)).toBe('a READY, b READY');
  });
});

describe('a flush that fails', () => {
  it.each([
    ['before', 'READY'],
    ['after', 'CLAIMED'],
  ] as const)('%s it was stored refuses everything since, and memory is read anew', async (when, state) => {
    const [id, other] = [await world.submit(ab), await world.submit(ab)];
    const heard: string[] = [];
    world.engine.listen({
      reset: () => heard.push('reset'),
      doubted: () => heard.push('doubted'),
      restored: ({ held }) => heard.push(`restored ${held.length}`),
      loaded: ({ row }) => heard.push(`loaded ${row.id}`),
    });
    isGated = (operation) => operation === 'flush';
    fault = when;
    const first = touch(id);
    await world.clock.settle();
    const second = touch(other);
    await world.clock.settle();
    openGate('flush');
    await expect(world.do(first)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(second).rejects.toMatchObject({ code: 'unavailable' });
    expect(heard).toEqual(['reset', 'doubted']);
    expect([world.engine.isOpen, world.engine.residents.size]).toEqual([false, 0]);
    [fault, isGated] = [undefined, () => false];
    const later = touch(other, 'b');
    await world.clock.settle();
    await world.own();
    await world.do(later);
    expect(world.states(id)).toBe(`a ${state}, b READY`);
    expect(world.states(other)).toBe('a READY, b CLAIMED');
    const isHeld = state === 'CLAIMED';
    expect(world.engine.attempt(`${id}/a`) !== undefined).toBe(isHeld);
    expect(heard.slice(2, 5)).toEqual(
      isHeld ? ['reset', `loaded ${id}`, 'restored 1'] : ['reset', 'restored 0', `loaded ${other}`],
    );
  });

  it('because of another owner says so', async () => {
    const id = await world.submit(ab);
    world.state.takeOver(0);
    await expect(world.do(touch(id))).rejects.toMatchObject({ details: { fenced: true } });
    expect(world.engine.isOpen).toBe(false);
    expect(world.states(id)).toBe('a READY, b READY');
  });

  it('keeps the store from being read before it has come to its end', async () => {
    const id = await world.submit(ab);
    isGated = (operation) => operation === 'flush';
    void touch(id);
    await world.clock.settle();
    world.engine.doubt(new Error('something else'));
    const owned = world.engine.own(new Map([[0, 1]]));
    await world.clock.settle();
    expect(world.engine.isOpen).toBe(false);
    openGate('flush');
    await world.do(owned);
    expect(world.engine.attempt(`${id}/a`)).toMatchObject({ state: 'CLAIMED' });
  });

  it('voids a decision whose runs were being loaded, and lets no row of before into memory', async () => {
    const id = await world.submit(ab);
    await world.own();
    isGated = (operation) => operation === 'load';
    const waiting = touch(id);
    await world.clock.settle();
    world.engine.doubt(new Error('nobody knows'));
    gates.splice(0).forEach((gate) => gate.open());
    await expect(world.do(waiting)).rejects.toMatchObject({ code: 'unavailable' });
    expect(world.engine.residents.size).toBe(0);
    isGated = () => false;
    await world.own();
    await world.do(touch(id));
    expect(world.states(id)).toBe('a CLAIMED, b READY');
  });
});

describe('memory', () => {
  it('takes in a run that was just stored, and begins with it', async () => {
    const id = await world.submit({ deadlineMs: 1_000, tasks: [script('a'), script('b', { depends: ['a'] })] });
    const [effects] = world.decided.slice(-1);
    expect(effects?.ready.map(({ taskId }) => taskId)).toEqual(['a']);
    expect(effects?.deadlines).toMatchObject([{ id }]);
    expect(flushes).toEqual([]);
    const empty = newRun(
      { ...born('run_empty', 0), origin: { runId: id, adopted: new Set(['a']) } },
      { now: world.clock.now(), ageingMs },
    );
    world.engine.adopt(await world.do(world.store.submit(empty)));
    expect(world.decided.at(-1)?.finalise).toEqual(['run_empty']);
  });

  it('takes in a run that was stored while it was read, when it can', async () => {
    world.engine.doubt(new Error('nobody knows'));
    const id = await world.submit(ab);
    expect(world.engine.residents.get(id)).toBeUndefined();
    await world.own();
    await world.clock.settle();
    expect(world.told('ready').map(({ runId }) => runId)).toEqual([id, id]);
  });

  it('takes in no run of another’s shard, and decides nothing of one', async () => {
    const other = newRun(born('run_other', 7), { now: world.clock.now(), ageingMs });
    world.engine.adopt(await world.do(world.store.submit(other)));
    expect(world.engine.residents.get('run_other')).toBeUndefined();
    const found = await world.do(world.engine.transact(['run_other', 'run_gone'], ({ runs }) => runs.length));
    expect(found).toBe(0);
  });

  it('is bounded: what nobody works on is put out and comes back as it was', async () => {
    await open({ maxResidentRows: 8 });
    const evicted: string[] = [];
    world.engine.listen({ evicted: ({ row }) => evicted.push(row.id) });
    const busy = await world.submit(ab);
    const attempt = await world.start(busy, 'a');
    const ids: string[] = [];
    for (let count = 0; count < 10; count += 1) ids.push(await world.submit(ab));
    expect(world.engine.residents.rows).toBeLessThanOrEqual(8);
    expect(evicted).toEqual(ids.slice(0, 7));
    expect(world.engine.residents.get(busy)).toBeDefined();
    for (const id of ids) await world.succeed(id, 'a');
    expect(ids.map((id) => world.states(id))).toEqual(ids.map(() => 'a SUCCEEDED, b READY'));
    expect(await world.report(busy, attempt)).toBe(1);
  });

  it('keeps a run whose changes are not stored, however full it is', async () => {
    await open({ maxResidentRows: 2 });
    isGated = (operation) => operation === 'flush';
    const id = await world.submit(ab);
    const changed = world.engine.transact([id], (unit) =>
      unit.tell(unit.run({ runId: id }), { type: 'task.progress' }),
    );
    await world.clock.settle();
    await world.submit(ab);
    expect(world.engine.residents.get(id)).toBeDefined();
    openGate('flush');
    await world.do(changed);
    await world.submit(ab);
    expect(world.engine.residents.get(id)).toBeUndefined();
  });

  it('gives up texts first, and reads them again when they are asked for', async () => {
    await open({ maxPayloadBytes: 2_000 });
    const tasks = Array.from({ length: 6 }, (_, index) => script(`t${index}`));
    const id = await world.submit({ tasks });
    const text = 'x'.repeat(900);
    for (const task of tasks) await world.report(id, await world.start(id, task.id), output(text));
    const rows = () => [...(world.engine.residents.get(id)?.tasks ?? [])];
    expect(rows().filter((row) => row.output === undefined)).toHaveLength(4);
    await world.do(world.engine.residents.withPayloads(rows().slice(0, 2)));
    expect(
      rows()
        .slice(0, 2)
        .map((row) => row.output),
    ).toEqual([`"${text}"`, `"${text}"`]);
    expect(rows().filter((row) => row.output === undefined)).toHaveLength(4);
    await world.decide(id, (unit, _outcomes, run) => unit.touch(run.task('t5') as TaskRow));
    expect(world.task(id, 't5').output).toBe(`"${text}"`);
  });

  it('counts a forEach that runs as no attempt, so that it may leave', async () => {
    await open({ maxResidentRows: 2 });
    const id = await world.submit({ tasks: [script('each', { forEach: '${{ input }}' })] });
    await world.decide(id, (unit, _outcomes, run) =>
      unit.move(run.task('each') as TaskRow, 'expanded', { itemsTotal: 1 }),
    );
    await world.submit(ab);
    expect(world.engine.residents.get(id)).toBeUndefined();
  });
});

describe('a scheduler that stops', () => {
  it('stores what is decided, refuses the rest, and may begin again', async () => {
    const id = await world.submit(ab);
    isGated = (operation) => operation === 'flush';
    const decided = touch(id);
    await world.clock.settle();
    const closed = world.engine.close();
    await world.clock.settle();
    openGate('flush');
    await world.do(Promise.all([decided, closed]));
    isGated = () => false;
    expect(world.states(id)).toBe('a CLAIMED, b READY');
    const refused = { code: 'unavailable' };
    await expect(touch(id, 'b')).rejects.toMatchObject(refused);
    await expect(world.engine.opened()).rejects.toMatchObject(refused);
    await world.own();
    await world.do(touch(id, 'b'));
    expect(world.states(id)).toBe('a CLAIMED, b CLAIMED');
  });

  it('refuses those who wait for memory', async () => {
    world.engine.doubt(new Error('nobody knows'));
    const waiting = touch('run_1');
    await world.clock.settle();
    await world.do(world.engine.close());
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  });
});

const born = (runId: string, shard: number) => ({
  runId,
  organisation: 'globex',
  shard,
  submittedBy: 'ada',
  plan: {
    name: '',
    priority: 5,
    labels: {},
    input: null,
    tasks: [
      {
        id: 'a',
        uses: 'script',
        depends: [],
        priority: 5,
        input: null,
        timeoutMs: 1_000,
        retry: { maxAttempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
      },
    ],
  },
  traceparent: '',
  callerTraceparent: '',
  idempotencyKey: '',
  requestSha256: '',
});
