import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairOrder, type ReadyTask } from './fair-order.js';

const ageingMs = 1_000;

/** Slow and obviously right: effective band grows by one per `ageingMs` waited; organisations take turns by share. */
class NaiveOrder {
  tasks: ReadyTask[] = [];
  readonly #served = new Map<string, number>();
  #virtualTime = 0;

  add(task: ReadyTask): void {
    if (!this.tasks.some((other) => other.organisation === task.organisation)) {
      this.#served.set(task.organisation, Math.max(this.#served.get(task.organisation) ?? 0, this.#virtualTime));
    }
    this.tasks.push(task);
  }

  take(nowMs: number): ReadyTask | undefined {
    const organisations = [...new Set(this.tasks.map((task) => task.organisation))].sort(
      (a, b) => this.#share(a) - this.#share(b) || (a < b ? -1 : 1),
    );
    const next = organisations[0];
    if (next === undefined) return undefined;
    const band = (task: ReadyTask) => task.priority + (nowMs - task.readyAtMs) / ageingMs;
    const mine = this.tasks.filter((task) => task.organisation === next);
    mine.sort((a, b) => band(b) - band(a) || a.readyAtMs - b.readyAtMs || (a.key < b.key ? -1 : 1));
    const [task] = mine;
    this.tasks = this.tasks.filter((other) => other !== task);
    this.#virtualTime = Math.max(this.#virtualTime, this.#share(next));
    this.#served.set(next, this.#share(next) + 1);
    return task;
  }

  #share(organisation: string): number {
    return this.#served.get(organisation) ?? 0;
  }
}

const takeOne = (
  order: FairOrder<ReadyTask>,
  canRun: (group: string) => boolean = () => true,
): ReadyTask | undefined => {
  let taken: ReadyTask | undefined;
  order.take(1, canRun, (task) => (taken = task));
  return taken;
};

const task = (key: string, overrides: Partial<ReadyTask> = {}): ReadyTask => ({
  key,
  organisation: 'acme',
  group: 'script',
  priority: 5,
  readyAtMs: 0,
  ...overrides,
});

describe('FairOrder', () => {
  it('serves an organisation with one task after at most one of another with thousands', () => {
    const order = new FairOrder<ReadyTask>();
    for (let i = 0; i < 5_000; i += 1) order.add(task(`big-${i}`, { organisation: 'big' }));
    for (let i = 0; i < 10; i += 1) takeOne(order);
    order.add(task('small', { organisation: 'small' }));
    const next = [takeOne(order)?.organisation, takeOne(order)?.organisation];
    expect(next).toContain('small');
  });

  it('gives an organisation that always has exactly one task half of the turns, not all of them', () => {
    const order = new FairOrder<ReadyTask>();
    for (let i = 0; i < 100; i += 1) order.add(task(`big-${i}`, { organisation: 'big' }));
    let big = 0;
    for (let i = 0; i < 40; i += 1) {
      if (!order.has(`one-${i - 1}`) && !order.has(`one-${i}`)) order.add(task(`one-${i}`, { organisation: 'one' }));
      if (takeOne(order)?.organisation === 'big') big += 1;
    }
    expect(big).toBeGreaterThanOrEqual(19);
    expect(big).toBeLessThanOrEqual(21);
  });

  it('does not let work that has no agent hide work that has one', () => {
    const order = new FairOrder<ReadyTask>();
    for (let i = 0; i < 100; i += 1) order.add(task(`blocked-${i}`, { group: 'model:none', priority: 9 }));
    order.add(task('runnable', { priority: 0 }));
    expect(takeOne(order, (group) => group === 'script')?.key).toBe('runnable');
  });

  it('forgets removed tasks and does not add one twice', () => {
    const order = new FairOrder<ReadyTask>();
    order.add(task('a'));
    order.add(task('a'));
    order.add(task('b'));
    order.remove('a');
    expect(order.size).toBe(1);
    expect(takeOne(order)?.key).toBe('b');
    expect(takeOne(order)).toBeUndefined();
  });

  it('lets an old task of a low band pass a new one of a high band', () => {
    const order = new FairOrder<ReadyTask>({ ageingMs });
    order.add(task('old', { priority: 0, readyAtMs: 0 }));
    order.add(task('new', { priority: 9, readyAtMs: 9_001 }));
    expect(takeOne(order)?.key).toBe('old');
  });

  it('agrees with the naive order on any sequence of adds and takes', () => {
    const step = fc.oneof(
      fc.record({
        add: fc.record({
          organisation: fc.constantFrom('a', 'b', 'c'),
          priority: fc.integer({ min: 0, max: 9 }),
          waitMs: fc.integer({ min: 0, max: 5_000 }),
        }),
      }),
      fc.constant({ take: true as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const fast = new FairOrder<ReadyTask>({ ageingMs });
        const naive = new NaiveOrder();
        let nowMs = 0;
        steps.forEach((each, index) => {
          if ('add' in each) {
            nowMs += each.add.waitMs;
            const { organisation, priority } = each.add;
            const added = task(`task-${String(index).padStart(4, '0')}`, { organisation, priority, readyAtMs: nowMs });
            fast.add(added);
            naive.add(added);
          } else {
            expect(takeOne(fast)?.key).toBe(naive.take(nowMs)?.key);
          }
        });
      }),
      { numRuns: 300 },
    );
  });
});
