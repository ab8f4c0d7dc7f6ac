import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultTaskDefaults } from './limits.js';
import {
  afterItems,
  descendantsOf,
  itemsToRelease,
  planAdoption,
  planExpansion,
  planFailure,
  planLostItems,
  planSkips,
  releaseChildren,
  type Dependency,
  type OpenTask,
} from './plan.js';
import { afterError, backoffMs } from './retry.js';
import { isHeld, type TaskState } from './states.js';

const edge = (parent: string, child: string): Dependency => ({ parent, child });
const open = (id: string, state: TaskState, index = -1): OpenTask => ({ id, state, index });
const ids = (tasks: readonly OpenTask[]) =>
  tasks.map((task) => (task.index < 0 ? task.id : `${task.id}[${task.index}]`));

describe('releaseChildren', () => {
  it('releases a child when its last dependency is met', () => {
    const children = [
      { id: 'c', state: 'BLOCKED', pending: 2 } as const,
      { id: 'd', state: 'BLOCKED', pending: 2 } as const,
      { id: 'gone', state: 'CANCELLED', pending: 1 } as const,
    ];
    expect(releaseChildren(children, [edge('a', 'c'), edge('b', 'c'), edge('a', 'd'), edge('a', 'gone')])).toEqual([
      { id: 'c', pending: 0, released: true },
      { id: 'd', pending: 1, released: false },
    ]);
  });
});

describe('planFailure', () => {
  it('skips descendants, cancels other unstarted tasks, leaves what agents hold', () => {
    const tasks = [
      open('child', 'BLOCKED'),
      open('grandchild', 'BLOCKED'),
      open('other', 'READY'),
      open('busy', 'RUNNING'),
      open('later', 'RETRY_WAIT'),
    ];
    const plan = planFailure(['failed'], tasks, [edge('failed', 'child'), edge('child', 'grandchild')]);
    expect(ids(plan.skip)).toEqual(['child', 'grandchild']);
    expect(ids(plan.cancel)).toEqual(['other', 'later']);
  });

  it('cancels a forEach that loses items, and lets one finish whose items are all in flight', () => {
    const tasks = [
      open('loses', 'RUNNING'),
      open('loses', 'RUNNING', 0),
      open('loses', 'READY', 1),
      open('whole', 'RUNNING'),
      open('whole', 'PUBLISHED', 0),
    ];
    const plan = planFailure(['failed'], tasks, []);
    expect(ids(plan.cancel)).toEqual(['loses[1]', 'loses']);
  });

  it('leaves nothing that could start', () => {
    const states = fc.constantFrom<TaskState>(
      'BLOCKED',
      'READY',
      'CLAIMED',
      'PUBLISHED',
      'RUNNING',
      'RETRY_WAIT',
      'WAITING',
    );
    fc.assert(
      fc.property(fc.array(states, { maxLength: 12 }), (list) => {
        const tasks = list.map((state, index) => open(`t${index}`, state));
        const plan = planFailure(['x'], tasks, [edge('x', 't0'), edge('t0', 't1')]);
        const touched = new Set([...plan.skip, ...plan.cancel]);
        for (const task of tasks) expect(touched.has(task)).toBe(!isHeld(task.state));
      }),
    );
  });
});

describe('a failure the rest of the run survives', () => {
  const tasks = [
    open('child', 'BLOCKED'),
    open('grandchild', 'BLOCKED'),
    open('other', 'READY'),
    open('each', 'FAILED'),
    open('each', 'RUNNING', 0),
    open('each', 'READY', 1),
    open('each', 'RETRY_WAIT', 2),
    open('fine', 'READY', 0),
  ];

  it('skips descendants only', () => {
    const edges = [edge('failed', 'child'), edge('child', 'grandchild'), edge('x', 'other')];
    expect(ids(planSkips(['failed'], tasks, edges))).toEqual(['child', 'grandchild']);
  });

  it('drops the unstarted items of the forEach that failed', () => {
    expect(ids(planLostItems(['each'], tasks))).toEqual(['each[1]', 'each[2]']);
  });
});

describe('planAdoption', () => {
  const task = (id: string, state: TaskState, error: string | null = null) => ({ id, state, error });

  it('takes over what ended well and has nothing above it that is done again', () => {
    const tasks = [
      task('good', 'SUCCEEDED'),
      task('when-false', 'SKIPPED'),
      task('ignored', 'FAILED', '{}'),
      task('after-ignored', 'SUCCEEDED'),
      task('skipped', 'SKIPPED', '{}'),
      task('cancelled', 'CANCELLED', '{}'),
    ];
    expect([...planAdoption(tasks, [edge('good', 'ignored'), edge('ignored', 'after-ignored')])]).toEqual([
      'good',
      'when-false',
    ]);
  });
});

describe('descendantsOf', () => {
  it('holds the transitive children only', () => {
    expect([...descendantsOf(['a'], [edge('a', 'b'), edge('b', 'c'), edge('x', 'y')])].sort()).toEqual(['b', 'c']);
  });
});

describe('forEach', () => {
  it('opens as many items as maxParallel allows', () => {
    expect(planExpansion([1, 2, 3], { maxParallel: 2, room: 10 })).toEqual({ ok: true, items: [1, 2, 3], open: 2 });
    expect(planExpansion([], { room: 10 })).toEqual({ ok: true, items: [], open: 0 });
  });

  it('refuses what is no list or too long', () => {
    expect(planExpansion({ a: 1 }, { room: 10 })).toMatchObject({
      ok: false,
      message: 'forEach needs a list, got an object',
    });
    expect(planExpansion([1, 2, 3], { room: 2 })).toMatchObject({ ok: false });
  });

  it('releases every item exactly once and joins after the last, whatever the order of endings', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 8 }), (total, maxParallel) => {
        let counters = { total, succeeded: 0, failed: 0, released: Math.min(total, maxParallel) };
        while (counters.succeeded < total) {
          expect(counters.released - counters.succeeded).toBeLessThanOrEqual(maxParallel);
          expect(counters.released).toBeGreaterThan(counters.succeeded);
          const { to } = itemsToRelease(counters, 1);
          counters = { ...counters, succeeded: counters.succeeded + 1, released: to };
          expect(afterItems(counters).parent).toBe(counters.succeeded === total ? 'joined' : 'open');
        }
      }),
    );
  });

  it('fails with its first item that failed for good', () => {
    expect(afterItems({ total: 3, succeeded: 1, failed: 1, released: 3 }).parent).toBe('failed');
  });

  it('joins when every item ended, where failed items are allowed', () => {
    expect(afterItems({ total: 3, succeeded: 1, failed: 1, released: 3 }, 'continue').parent).toBe('open');
    expect(afterItems({ total: 3, succeeded: 1, failed: 2, released: 3 }, 'continue').parent).toBe('joined');
  });
});

describe('retry', () => {
  const retry = { maxAttempts: 3, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0.5 };

  it('retries retryable errors until the attempts are spent', () => {
    expect(afterError({ code: 'x', retryable: true, attempt: 1, retry }, 0)).toEqual({ event: 'retry', delayMs: 100 });
    expect(afterError({ code: 'x', retryable: true, attempt: 2, retry }, 0)).toEqual({ event: 'retry', delayMs: 200 });
    expect(afterError({ code: 'x', retryable: true, attempt: 3, retry }, 0)).toEqual({ event: 'fail' });
    expect(afterError({ code: 'x', retryable: false, attempt: 1, retry }, 0)).toEqual({ event: 'fail' });
  });

  it('follows the codes its policy names, whatever the agent says of them', () => {
    const next = (code: string, retryable: boolean, policy: object) =>
      afterError({ code, retryable, attempt: 1, retry: { ...retry, ...policy } }, 0).event;
    expect(next('invalid_input', false, { on: ['invalid_input'] })).toBe('retry');
    expect(next('engine_crashed', true, { on: ['invalid_input'] })).toBe('fail');
    expect(next('engine_crashed', true, { notOn: ['engine_crashed'] })).toBe('fail');
    expect(next('timeout', true, { notOn: ['engine_crashed'] })).toBe('retry');
  });

  it('grows by its factor', () => {
    const of = (attempt: number) => backoffMs({ ...retry, factor: 3 }, attempt, 0);
    expect([1, 2, 3, 4].map(of)).toEqual([100, 300, 900, 1_000]);
    expect(backoffMs({ ...retry, factor: 1 }, 9, 0)).toBe(100);
  });

  it('stays inside its bounds for any attempt', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const delay = backoffMs(retry, attempt, random);
          expect(delay).toBeGreaterThanOrEqual(50);
          expect(delay).toBeLessThanOrEqual(1_000);
        },
      ),
    );
  });

  it('gives every task more than one attempt unless it says otherwise', () => {
    expect(defaultTaskDefaults.retry.maxAttempts).toBeGreaterThan(1);
  });
});
