import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batcher, type BatcherOptions, type BatchItem, type BatchOutcome } from './index.js';

/** A world with its own time: timers fire only when time is moved. */
class World {
  time = 0;
  private timers: { at: number; callback: () => void }[] = [];
  readonly now = (): number => this.time;
  readonly startTimer = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { at: this.time + delayMs, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      await settled();
      const next = this.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      this.timers = this.timers.filter((timer) => timer !== next);
      next.callback();
    }
    this.time = until;
    await settled();
  }
}

/** Lets every promise that can settle do so. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Harness {
  world: World;
  batcher: Batcher<number, number>;
  batches: number[][];
  finish: (() => void)[];
}

/** Batches run until `finish` is called for them, or at once when `instant`. Answers are the inputs doubled. */
function harness(options: Partial<BatcherOptions> = {}, instant = false): Harness {
  const world = new World();
  const batches: number[][] = [];
  const finish: (() => void)[] = [];
  const run = async (items: readonly BatchItem<number>[]): Promise<BatchOutcome<number>[]> => {
    batches.push(items.map((item) => item.input));
    if (!instant) await new Promise<void>((resolve) => finish.push(resolve));
    return items.map(({ input }) =>
      input < 0 ? { ok: false, error: new CogmeshError('invalid_input', 'negative') } : { ok: true, value: input * 2 },
    );
  };
  const batcher = new Batcher<number, number>(
    { maxBatch: 4, maxDelayMs: 10, maxQueue: 100, lanes: 1, ...options },
    { run, now: world.now, startTimer: world.startTimer },
  );
  return { world, batcher, batches, finish };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: CogmeshError) => error.code,
  );

describe('Batcher', () => {
  it('sends a full batch at once and a partial one when its oldest request has waited long enough', async () => {
    const { world, batcher, batches } = harness({ lanes: 2 });
    [1, 2, 3, 4, 5].forEach((input) => void batcher.submit(input));
    await settled();
    expect(batches).toEqual([[1, 2, 3, 4]]);
    await world.advance(9);
    expect(batches).toHaveLength(1);
    await world.advance(1);
    expect(batches[1]).toEqual([5]);
  });

  it('takes the higher priority first, and arrival order inside one', async () => {
    const { batcher, batches, finish } = harness({ maxBatch: 1, maxDelayMs: 0 });
    [1, 2].forEach((input) => void batcher.submit(input, { priority: 5 }));
    [3, 4].forEach((input) => void batcher.submit(input, { priority: 9 }));
    void batcher.submit(5, { priority: 0 });
    for (let index = 0; index < 4; index += 1) {
      finish[index]?.();
      await settled();
    }
    expect(batches.flat()).toEqual([1, 3, 4, 2, 5]);
  });

  it('refuses what would make the queue longer than its limit', async () => {
    const { batcher } = harness({ maxBatch: 1, maxDelayMs: 0, maxQueue: 2 });
    [1, 2, 3].forEach((input) => void batcher.submit(input));
    await expect(batcher.submit(4)).rejects.toMatchObject({ code: 'overloaded', details: { limit: 2 } });
    expect(batcher.figures()).toMatchObject({ queued: 2, running: 1, refused: 1 });
  });

  it('answers a waiting request that is cancelled or out of time, and runs neither', async () => {
    const { world, batcher, batches, finish } = harness({ maxBatch: 1, maxDelayMs: 0 });
    const first = batcher.submit(1);
    const abort = new AbortController();
    const cancelled = codeOf(batcher.submit(2, { signal: abort.signal }));
    const late = codeOf(batcher.submit(3, { deadline: 5 }));
    abort.abort();
    await world.advance(5);
    expect(await cancelled).toBe('cancelled');
    expect(await late).toBe('timeout');
    finish[0]?.();
    expect(await first).toBe(2);
    expect(batches).toEqual([[1]]);
  });

  it('does not take back a request whose batch runs', async () => {
    const { batcher, finish } = harness({ maxBatch: 1, maxDelayMs: 0 });
    const abort = new AbortController();
    const answer = batcher.submit(7, { signal: abort.signal });
    abort.abort();
    finish[0]?.();
    expect(await answer).toBe(14);
  });

  it('fails one item alone, and a whole batch when the engine does', async () => {
    const { batcher } = harness({ maxBatch: 2 }, true);
    const [good, bad] = [batcher.submit(1), codeOf(batcher.submit(-1))];
    expect([await good, await bad]).toEqual([2, 'invalid_input']);
    const world = new World();
    const broken = new Batcher<number, number>(
      { maxBatch: 2, maxDelayMs: 0, maxQueue: 9, lanes: 1 },
      {
        run: () => Promise.reject(new CogmeshError('engine_crashed', 'gone')),
        now: world.now,
        startTimer: world.startTimer,
      },
    );
    expect(await Promise.all([codeOf(broken.submit(1)), codeOf(broken.submit(2))])).toEqual([
      'engine_crashed',
      'engine_crashed',
    ]);
  });

  it('fails the batch rather than mix up answers when the engine gives too few', async () => {
    const world = new World();
    const short = new Batcher<number, number>(
      { maxBatch: 2, maxDelayMs: 0, maxQueue: 9, lanes: 1 },
      { run: () => Promise.resolve([]), now: world.now, startTimer: world.startTimer },
    );
    expect(await codeOf(short.submit(1))).toBe('internal');
  });

  const requests = fc.array(
    fc.record({
      priority: fc.integer({ min: 0, max: 9 }),
      wait: fc.integer({ min: 0, max: 6 }),
      deadline: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
      cancelAfter: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 40 },
  );
  const settings = fc.record({
    maxBatch: fc.integer({ min: 1, max: 5 }),
    maxDelayMs: fc.integer({ min: 0, max: 8 }),
    maxQueue: fc.integer({ min: 1, max: 12 }),
    lanes: fc.integer({ min: 1, max: 3 }),
    runMs: fc.integer({ min: 0, max: 9 }),
  });

  it('answers every request exactly once, never exceeds the batch or the lanes, and runs nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(requests, settings, async (list, { runMs, ...options }) => {
        const world = new World();
        const ran: number[] = [];
        let lanesInUse = 0;
        const batcher = new Batcher<number, number>(options, {
          now: world.now,
          startTimer: world.startTimer,
          run: async (items) => {
            lanesInUse += 1;
            expect(lanesInUse).toBeLessThanOrEqual(options.lanes);
            expect(items.length).toBeGreaterThan(0);
            expect(items.length).toBeLessThanOrEqual(options.maxBatch);
            ran.push(...items.map((item) => item.input));
            await new Promise<void>((resolve) => world.startTimer(runMs, resolve));
            lanesInUse -= 1;
            return items.map((item) => ({ ok: true, value: item.input * 2 }));
          },
        });
        const answers: string[][] = list.map(() => []);
        for (const [index, request] of list.entries()) {
          await world.advance(request.wait);
          const abort = new AbortController();
          const { cancelAfter, deadline } = request;
          if (cancelAfter !== undefined) world.startTimer(cancelAfter, () => abort.abort());
          const submitOptions = {
            priority: request.priority,
            signal: abort.signal,
            ...(deadline ? { deadline: world.time + deadline } : {}),
          };
          batcher.submit(index, submitOptions).then(
            (value) => answers[index]?.push(value === index * 2 ? 'right' : 'wrong'),
            (error: CogmeshError) => answers[index]?.push(error.code),
          );
        }
        await world.advance(1000);
        expect(new Set(ran).size).toBe(ran.length);
        answers.forEach((answer, index) => {
          expect(answer).toHaveLength(1);
          expect(answer[0] === 'right').toBe(ran.includes(index));
          expect(['right', 'overloaded', 'timeout', 'cancelled']).toContain(answer[0]);
        });
        expect(batcher.figures()).toMatchObject({ queued: 0, running: 0, requests: ran.length });
      }),
      { numRuns: 60 },
    );
  });
});
