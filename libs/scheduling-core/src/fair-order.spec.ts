import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareReady, defaultShare, FairOrder, type ReadyTask, type Share } from './fair-order.js';
import { scopesOf } from './scope-keys.js';

const ageingMs = 1_000;

/** Known to the naive order only: the fast one sees the rank it makes. */
interface Aged extends ReadyTask {
  readonly priority: number;
  readonly readyAtMs: number;
}

/**
 * Slow and obviously right: effective band grows by one per `ageingMs` waited; the highest class with something to offer is
 * served, and in it the organisation that has had least for its weight. What is in a closed scope is not there at all. Who
 * has had less than the last one served had before (who is new, or was away) has had as much as the next of the others.
 */
class NaiveOrder {
  tasks: Aged[] = [];
  readonly closed = new Set<string>();
  readonly #shares = new Map<string, Share>();
  readonly #served = new Map<string, number>();
  /** What the last one served in a class had before. */
  readonly #virtualTime = new Map<number, number>();
  /** Organisations that waited when last looked at. */
  #present = new Set<string>();

  add(task: Aged): void {
    this.tasks.push(task);
    this.#look();
  }

  remove(key: string): void {
    this.tasks = this.tasks.filter((task) => task.key !== key);
    this.#look();
  }

  close(scope: string): void {
    this.closed.add(scope);
    this.#look();
  }

  open(scope: string): void {
    this.closed.delete(scope);
    this.#look();
  }

  grant(organisation: string, share: Share): void {
    const before = this.share(organisation);
    this.#shares.set(organisation, share);
    if (before.serviceClass !== share.serviceClass) {
      this.#served.delete(organisation);
      this.#present.delete(organisation);
    }
    this.#look();
  }

  take(nowMs: number): Aged | undefined {
    const offered = this.offered();
    const organisations = [...new Set(offered.map((task) => task.organisation))].sort(
      (a, b) => this.share(b).serviceClass - this.share(a).serviceClass || this.#compare(a, b),
    );
    const next = organisations[0];
    if (next === undefined) return undefined;
    const band = (task: Aged) => task.priority + (nowMs - task.readyAtMs) / ageingMs;
    const mine = offered.filter((task) => task.organisation === next);
    mine.sort((a, b) => band(b) - band(a) || (a.runId < b.runId ? -1 : 1));
    const [task] = mine;
    this.tasks = this.tasks.filter((other) => other !== task);
    const { weight, serviceClass } = this.share(next);
    this.#virtualTime.set(serviceClass, Math.max(this.#clock(serviceClass), this.#had(next)));
    this.#served.set(next, this.#had(next) + 1 / weight);
    this.#look();
    // Who has work but may not start any of it is away too.
    const idle = [...this.#waiting()]
      .filter((name) => !organisations.includes(name))
      .sort((a, b) => this.#compare(a, b));
    for (const name of idle) this.#present.delete(name);
    for (const name of idle) this.#arrive(name);
    return task;
  }

  share(organisation: string): Share {
    return this.#shares.get(organisation) ?? defaultShare;
  }

  offered(): Aged[] {
    return this.tasks.filter((task) => !scopesOf(task).some((scope) => this.closed.has(scope)));
  }

  #waiting(): Set<string> {
    const all = new Set(this.tasks.map(({ organisation }) => organisation));
    return new Set([...all].filter((name) => !this.closed.has(`organisation ${name}`)));
  }

  #look(): void {
    const waiting = this.#waiting();
    for (const name of this.#present) if (!waiting.has(name)) this.#present.delete(name);
    for (const name of waiting) if (!this.#present.has(name)) this.#arrive(name);
  }

  #arrive(organisation: string): void {
    const { serviceClass } = this.share(organisation);
    const others = [...this.#present].filter((name) => this.share(name).serviceClass === serviceClass);
    const clock = this.#clock(serviceClass);
    if (this.#had(organisation) < clock) {
      const least = Math.min(...others.map((name) => this.#had(name)));
      this.#served.set(organisation, least === Infinity ? clock : least);
    }
    this.#present.add(organisation);
  }

  #compare(a: string, b: string): number {
    return this.#had(a) - this.#had(b) || (a < b ? -1 : 1);
  }

  #clock(serviceClass: number): number {
    return this.#virtualTime.get(serviceClass) ?? 0;
  }

  #had(organisation: string): number {
    return this.#served.get(organisation) ?? -Infinity;
  }
}

const takeOne = <T extends ReadyTask>(
  order: FairOrder<T>,
  canRun: (group: string) => boolean = () => true,
): T | undefined => {
  let taken: T | undefined;
  order.take(1, canRun, (task) => (taken = task));
  return taken;
};

function task(key: string, overrides: Partial<Aged> = {}): Aged {
  const { priority = 5, readyAtMs = 0 } = overrides;
  const rank = readyAtMs - priority * ageingMs;
  const place = { rank, runId: key, taskId: 'work', itemIndex: -1 };
  return { key, organisation: 'acme', group: 'script', priority, readyAtMs, ...place, ...overrides };
}

/** Greatest error of anybody's share over any 1,000 in a row, as a part of the fair share. */
function worstShare(served: readonly string[], weights: Readonly<Record<string, number>>): number {
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  let worst = 0;
  for (const [name, weight] of Object.entries(weights)) {
    const fair = (1_000 * weight) / sum;
    let had = served.slice(0, 1_000).filter((each) => each === name).length;
    for (let next = 1_000; next <= served.length; next += 1) {
      worst = Math.max(worst, Math.abs(had - fair) / fair);
      had += Number(served[next] === name) - Number(served[next - 1_000] === name);
    }
  }
  return worst;
}

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

  it('tells since when the next in line of each kind wait, leaving out what may not start', () => {
    const order = new FairOrder<ReadyTask>();
    order.add(task('a', { readyAtMs: 50 }));
    order.add(task('b', { readyAtMs: 20, organisation: 'globex' }));
    order.add(task('c', { readyAtMs: 10, organisation: 'globex', concurrencyGroup: 'g' }));
    order.add(task('d', { readyAtMs: 5, group: 'model:m' }));
    order.close('group globex g');
    order.close('capability model:m');
    expect(order.waiting()).toEqual(new Map([['script', { queued: 2, readyAtMs: 20 }]]));
    order.close('organisation globex');
    expect(order.waiting()).toEqual(new Map([['script', { queued: 1, readyAtMs: 50 }]]));
    order.open('capability model:m');
    order.remove('a');
    expect(order.waiting()).toEqual(new Map([['model:m', { queued: 1, readyAtMs: 5 }]]));
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
    const order = new FairOrder<ReadyTask>();
    order.add(task('old', { priority: 0, readyAtMs: 0 }));
    order.add(task('new', { priority: 9, readyAtMs: 9_001 }));
    expect(takeOne(order)?.key).toBe('old');
  });

  it('agrees with the naive order on any sequence of adds, takes, closings, grants and changes of priority', () => {
    const organisation = fc.constantFrom('a', 'b', 'c');
    const scope = fc.constantFrom(
      'organisation a', 'organisation b', 'capability script', 'capability model:m', 'group a g', 'group a h', 'group b g',
    ); // prettier-ignore
    const priority = fc.integer({ min: 0, max: 9 });
    const which = fc.nat({ max: 200 });
    const added = fc.record({
      organisation,
      priority,
      waitMs: fc.integer({ min: 0, max: 5_000 }),
      group: fc.constantFrom('script', 'model:m@1', 'model:m@2'),
      concurrencyGroup: fc.constantFrom(undefined, undefined, 'g', 'h'),
    });
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ add: added }) },
      { weight: 6, arbitrary: fc.constant({ take: true as const }) },
      { weight: 2, arbitrary: fc.record({ close: scope }) },
      { weight: 3, arbitrary: fc.record({ open: scope }) },
      { weight: 1, arbitrary: fc.record({ remove: which }) },
      { weight: 2, arbitrary: fc.record({ move: which, priority }) },
    );
    const weight = fc.constantFrom(1, 2, 5);
    const shares = fc.record({ a: weight, b: weight, c: weight, topClass: fc.constantFrom(0, 0, 1) });
    fc.assert(
      fc.property(shares, fc.array(step, { maxLength: 150 }), ({ topClass, ...weights }, steps) => {
        const fast = new FairOrder<Aged>();
        const naive = new NaiveOrder();
        for (const [name, of] of Object.entries(weights)) {
          const share = { weight: of, serviceClass: name === 'b' ? topClass : 0 };
          fast.grant(name, share);
          naive.grant(name, share);
        }
        let nowMs = 0;
        const key = (index: number): string => `task-${String(index).padStart(4, '0')}`;
        steps.forEach((each, index) => {
          if ('add' in each) {
            const { waitMs, ...fields } = each.add;
            nowMs += waitMs;
            const made = task(key(index), { ...fields, readyAtMs: nowMs });
            fast.add(made);
            naive.add(made);
          } else if ('take' in each) {
            const taken = takeOne(fast);
            const wanted = naive.take(nowMs);
            expect(taken?.key).toBe(wanted?.key);
          } else if ('close' in each) {
            fast.close(each.close);
            naive.close(each.close);
          } else if ('open' in each) {
            fast.open(each.open);
            naive.open(each.open);
          } else if ('remove' in each) {
            fast.remove(key(each.remove));
            naive.remove(key(each.remove));
          } else {
            const moved = naive.tasks.find((known) => known.key === key(each.move));
            if (!moved) return;
            const again = task(moved.key, {
              ...moved,
              priority: each.priority,
              rank: moved.readyAtMs - each.priority * ageingMs,
            });
            fast.remove(moved.key);
            fast.add(again);
            naive.tasks = naive.tasks.map((known) => (known === moved ? again : known));
          }
          expect(fast.size).toBe(naive.tasks.length);
          const counts = new Map<string, number>();
          for (const { group } of naive.offered()) counts.set(group, (counts.get(group) ?? 0) + 1);
          expect(new Map([...fast.waiting()].map(([group, { queued }]) => [group, queued]))).toEqual(counts);
        });
        for (const waiting of naive.tasks) {
          const mine = naive.tasks.filter((other) => other.organisation === waiting.organisation);
          const before = mine.filter((other) => compareReady(other, waiting) < 0).length;
          expect(fast.position(waiting.key, 1_000)).toBe(before + 1);
          expect(fast.position(waiting.key, 3)).toBe(Math.min(before, 3) + 1);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('orders ties by run, task and item', () => {
    const order = new FairOrder<ReadyTask>();
    const places = [
      { runId: 'run_b', taskId: 'a', itemIndex: 0 },
      { runId: 'run_a', taskId: 'b', itemIndex: 10 },
      { runId: 'run_a', taskId: 'b', itemIndex: 9 },
      { runId: 'run_a', taskId: 'a', itemIndex: -1 },
    ];
    places.forEach((place, index) => order.add(task(`k${index}`, place)));
    expect([takeOne(order)?.key, takeOne(order)?.key, takeOne(order)?.key, takeOne(order)?.key]).toEqual([
      'k3', 'k2', 'k1', 'k0',
    ]); // prettier-ignore
  });

  it('forgets every task at once and keeps who had how many turns', () => {
    const order = new FairOrder<ReadyTask>();
    order.grant('heavy', { weight: 3, serviceClass: 0 });
    const fill = () => {
      for (let i = 0; i < 40; i += 1) {
        order.add(task(`h${i}`, { organisation: 'heavy' }));
        order.add(task(`l${i}`, { organisation: 'light' }));
      }
    };
    fill();
    for (let i = 0; i < 7; i += 1) takeOne(order);
    order.clear();
    expect(order.size).toBe(0);
    expect(takeOne(order)).toBeUndefined();
    fill();
    const picks = Array.from({ length: 40 }, () => takeOne(order)?.organisation);
    expect(picks.filter((name) => name === 'heavy')).toHaveLength(30);
  });

  it('lets a new organisation start where the next of the others is, whatever its weight', () => {
    const order = new FairOrder<ReadyTask>();
    for (const name of ['a', 'b']) {
      for (let i = 0; i < 100; i += 1) order.add(task(`${name}${i}`, { organisation: name }));
    }
    for (let i = 0; i < 21; i += 1) takeOne(order);
    order.grant('new', { weight: 100, serviceClass: 0 });
    for (let i = 0; i < 1_000; i += 1) order.add(task(`n${i}`, { organisation: 'new' }));
    // `a` has had 11 turns and `b` 10, so both of them wait for no more than the share of `new` in one of their turns.
    const picks = Array.from({ length: 102 }, () => takeOne(order)?.organisation);
    expect(picks[0]).toBe('b');
    // Sums of hundredths are not exact.
    const had = picks.filter((name) => name === 'new').length;
    expect(Math.abs(had - 100)).toBeLessThanOrEqual(1);
  });

  it.each([
    ['one after the other', 1, 1],
    ['in batches of a busy pool', 200, 40],
    ['with credits that come back one by one', 200, 64],
  ])('shares 1 to 2 to 4 within 5 %% over any 1,000 completions, %s', (_how, batch, slots) => {
    const order = new FairOrder<ReadyTask>();
    const weights = { a: 1, b: 2, c: 4 };
    for (const [name, weight] of Object.entries(weights)) {
      order.grant(name, { weight, serviceClass: 0 });
      for (let i = 0; i < 6_000; i += 1) order.add(task(`${name}${i}`, { organisation: name, priority: i % 10 }));
    }
    const completed: string[] = [];
    const running: string[] = [];
    let chance = 7;
    while (completed.length < 7_000) {
      order.take(batch, () => running.length < slots, ({ organisation }) => running.push(organisation)); // prettier-ignore
      // Tasks alike end nearly in the order in which they began.
      chance = (chance * 16_807) % 2_147_483_647;
      completed.push(...running.splice(chance % Math.min(8, running.length), 1));
    }
    expect(worstShare(completed, weights)).toBeLessThan(0.05);
  });

  it('keeps the share of a heavy organisation whose tasks come one by one', () => {
    const order = new FairOrder<ReadyTask>();
    const weights = { a: 1, c: 4 };
    for (const [name, weight] of Object.entries(weights)) order.grant(name, { weight, serviceClass: 0 });
    for (let i = 0; i < 6_000; i += 1) order.add(task(`a${i}`, { organisation: 'a' }));
    const picks: string[] = [];
    for (let i = 0; i < 4_000; i += 1) {
      if (!order.has('c')) order.add(task('c', { organisation: 'c' }));
      picks.push(takeOne(order)?.organisation ?? '');
    }
    expect(worstShare(picks, weights)).toBeLessThan(0.05);
  });

  it('passes over a thousand parked groups without looking at their tasks, and finds each when it opens', () => {
    const order = new FairOrder<ReadyTask>();
    for (let i = 0; i < 1_000; i += 1) {
      order.close(`group acme g${i}`);
      order.add(task(`parked-${i}`, { concurrencyGroup: `g${i}`, priority: 9 }));
    }
    order.add(task('free', { priority: 0 }));
    expect(takeOne(order)?.key).toBe('free');
    expect(takeOne(order)).toBeUndefined();
    order.open('group acme g500');
    expect(takeOne(order)?.key).toBe('parked-500');
    expect(takeOne(order)).toBeUndefined();
  });
});
