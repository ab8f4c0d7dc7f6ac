import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PoolSlots } from './agent-pool.js';
import { PoolPolicy, type PoolDecision, type PoolObservation } from './pool-policy.js';
import type { AgentSlots } from './same-host.js';
import { defaultPoolSettings, type PoolSettings } from './settings.js';

const settings: PoolSettings = {
  ...defaultPoolSettings,
  cpuForMs: 10_000,
  waitTargetMs: 1_000,
  waitForMs: 5_000,
  cooldownMs: 4_000,
  stabilisationMs: 60_000,
  maxStep: 16,
  sameHostMaxSlots: 32,
  startPatienceMs: 30_000,
  settleMs: 4_000,
};

const agent = (over: Partial<AgentSlots> = {}): AgentSlots => ({
  id: 'a',
  credits: 4,
  range: { min: 4, max: 64 },
  bound: 'io',
  cpu: 0.1,
  cpuPerSlot: 0.01,
  hostCpu: 0.3,
  ...over,
});

const quiet = { agents: [agent()], busySlots: 0, queued: 0, waitMs: 0, elsewhere: undefined, completed: undefined };
const waiting = { busySlots: 4, queued: 40, waitMs: 2_000 };
const others = (over: Partial<PoolSlots> = {}): PoolSlots => ({ slots: 0, min: 0, max: 8, step: 4, ...over });

/** Looks once a second; what was decided is done at once. */
class World {
  readonly policy = new PoolPolicy(settings);
  nowMs = 1_000;
  seen: PoolObservation;
  readonly changes: { readonly atMs: number; readonly decision: PoolDecision }[] = [];

  constructor(seen: Partial<PoolObservation> = {}) {
    this.seen = { ...quiet, ...seen };
  }

  run(seconds: number, change: Partial<PoolObservation> | ((second: number) => Partial<PoolObservation>) = {}) {
    let decision: PoolDecision | undefined;
    for (let second = 0; second < seconds; second += 1) {
      this.seen = { ...this.seen, ...(typeof change === 'function' ? change(second) : change) };
      decision = this.policy.decide(this.seen, this.nowMs);
      this.#carryOut(decision);
      this.nowMs += 1_000;
    }
    return decision as PoolDecision;
  }

  get slots() {
    return this.seen.agents.reduce((sum, { credits }) => sum + credits, 0);
  }

  #carryOut(decision: PoolDecision) {
    const { change } = decision;
    if (!change) return;
    this.changes.push({ atMs: this.nowMs, decision });
    const [first] = this.seen.agents;
    if (change.place === 'same-host' && first) {
      this.seen = {
        ...this.seen,
        agents: [{ ...first, credits: first.credits + change.by }, ...this.seen.agents.slice(1)],
      };
    } else if (this.seen.elsewhere) {
      const { step, slots } = this.seen.elsewhere;
      const elsewhere = { ...this.seen.elsewhere, slots: slots + change.by };
      const extra = agent({ id: 'other', credits: elsewhere.slots, range: undefined });
      const agents = this.seen.agents.filter(({ id }) => id !== 'other');
      this.seen = { ...this.seen, elsewhere, agents: elsewhere.slots > 0 ? [...agents, extra] : agents };
      expect(Math.abs(change.by) % step).toBe(0);
    }
  }
}

describe('growth', () => {
  it('comes when the next task has waited too long for the set time, and doubles', () => {
    const world = new World(waiting);
    world.run(5);
    expect(world.changes).toEqual([]);
    const decision = world.run(1);
    expect(decision.change).toEqual({ place: 'same-host', by: 4 });
    expect(decision.reason).toBe(
      '4 to 8 slots where its agents are: 40 wait, the next for 2,000 ms, above 1,000 ms for 5,000 ms; 4 of 4 slots busy',
    );
  });

  it('does not come when the wait was fine in between', () => {
    const world = new World(waiting);
    world.run(40, (second) => ({ waitMs: second % 5 === 4 ? 900 : 2_000 }));
    expect(world.changes).toEqual([]);
  });

  it('keeps the cool-down and ends at the cap of one host', () => {
    const world = new World();
    world.run(120, () => ({ ...waiting, busySlots: world.slots, queued: 500 }));
    const times = world.changes.map(({ atMs }) => atMs);
    for (const [at, time] of times.slice(1).entries()) expect(time - (times[at] ?? 0)).toBeGreaterThanOrEqual(4_000);
    expect(world.changes.map(({ decision }) => decision.desiredSlots)).toEqual([8, 16, 32]);
    expect(world.run(1).reason).toMatch(/have all the slots they may, and no other hosts can be asked/);
  });

  it('gives no more than would be used', () => {
    const world = new World({ ...waiting, queued: 1 });
    expect(world.run(6).desiredSlots).toBe(5);
  });

  it('does not come while slots are free: they are not what is short', () => {
    const world = new World({ ...waiting, busySlots: 2, elsewhere: others() });
    expect(world.run(60).reason).toMatch(/would not help while some are free/);
    expect(world.changes).toEqual([]);
  });

  it.each<[string, Partial<AgentSlots>, RegExp]>([
    ['computes, as declared', { bound: 'cpu' }, /it computes/],
    ['computes, as measured', { bound: undefined, cpuPerSlot: 0.9 }, /it computes/],
    ['saturates its one thread', { bound: undefined, cpuPerSlot: 0.05, cpu: 0.95 }, /it computes/],
    ['was never seen busy', { bound: undefined, cpuPerSlot: undefined }, /nobody knows yet/],
    ['has fixed slots', { range: undefined }, /are fixed/],
    ['is on a busy host', { hostCpu: 0.9 }, /hosts are busy/],
  ])('is not on the same host for what %s', (_, over, why) => {
    const alone = new World({ ...waiting, agents: [agent(over)] });
    expect(alone.run(6)).toMatchObject({ change: undefined, reason: expect.stringMatching(why) });
    const world = new World({ ...waiting, agents: [agent(over)], elsewhere: others() });
    expect(world.run(6).change).toEqual({ place: 'other-hosts', by: 4 });
  });

  it('is on the same host for what is seen to wait', () => {
    const world = new World({ ...waiting, agents: [agent({ bound: undefined })], elsewhere: others() });
    expect(world.run(6).change).toEqual({ place: 'same-host', by: 4 });
  });

  it('comes when hosts are busy for the set time while every slot is', () => {
    const agents = [agent({ bound: 'cpu', range: undefined, hostCpu: 0.95 })];
    const world = new World({ agents, busySlots: 4, elsewhere: others() });
    expect(world.run(10).change).toBeUndefined();
    expect(world.run(1)).toMatchObject({
      change: { place: 'other-hosts', by: 4 },
      reason:
        '4 to 8 slots on other hosts: its hosts use 95 % of their processors, above 80 % for 10,000 ms; 4 of 4 slots busy',
    });
    const idle = new World({ agents, busySlots: 3, elsewhere: others() });
    idle.run(60);
    expect(idle.changes).toEqual([]);
  });

  it('begins with one agent where there is none', () => {
    const world = new World({ agents: [], busySlots: 0, queued: 9, waitMs: 3_000, elsewhere: others() });
    expect(world.run(6)).toMatchObject({ slots: 0, change: { place: 'other-hosts', by: 4 } });
  });

  it('waits for agents that are starting, and no longer than its patience', () => {
    const elsewhere = others({ max: 40 });
    const policy = new PoolPolicy(settings);
    const seen = { ...quiet, ...waiting, agents: [agent({ bound: 'cpu' })], elsewhere };
    const grown: number[] = [];
    for (let second = 0; second < 60; second += 1) {
      if (policy.decide(seen, second * 1_000).change) grown.push(second);
    }
    expect(grown).toEqual([5, 35]);
  });

  it('is asked for again soon when it could not be carried out', () => {
    const policy = new PoolPolicy(settings);
    const seen = { ...quiet, ...waiting, agents: [agent({ bound: 'cpu' })], elsewhere: others() };
    const grown: number[] = [];
    for (let second = 0; second < 20; second += 1) {
      if (!policy.decide(seen, second * 1_000).change) continue;
      grown.push(second);
      policy.undone();
    }
    expect(grown).toEqual([5, 9, 13, 17]);
  });
});

describe('growth that lost throughput', () => {
  /** 4 slots end 80 a second; more end `after`. */
  const grow = (after: number) => {
    const world = new World();
    let completed = 0;
    world.run(12, () => {
      completed += world.slots > 4 ? after : 80;
      return { ...waiting, busySlots: world.slots, queued: 500, completed };
    });
    return world;
  };

  it('is taken back, and nothing grows for a while', () => {
    const world = grow(60);
    expect(world.changes.map(({ decision }) => decision.desiredSlots)).toEqual([8, 4]);
    expect(world.changes[1]?.decision.reason).toMatch(
      /^8 to 4 slots where its agents are: throughput fell from 80\.0 to 60\.0 a second since there were 4 slots$/,
    );
    expect(world.run(40, { ...waiting }).reason).toMatch(/the last growth lost throughput, so not now/);
  });

  it('by less than the tolerance stays', () => {
    expect(grow(78).changes.map(({ decision }) => decision.desiredSlots)).toEqual([8, 16]);
  });

  it('cannot be told where the queue drained', () => {
    const world = new World();
    let completed = 0;
    world.run(20, () => {
      completed += world.slots > 4 ? 10 : 80;
      const isFull = world.slots === 4;
      return { busySlots: 4, queued: isFull ? 500 : 0, waitMs: isFull ? 2_000 : 0, completed };
    });
    expect(world.changes.map(({ decision }) => decision.desiredSlots)).toEqual([8]);
  });
});

describe('shrinking', () => {
  const grown = () => {
    const world = new World();
    world.run(40, () => ({ ...waiting, busySlots: world.slots, queued: 500 }));
    expect(world.slots).toBe(32);
    return world;
  };

  it('waits for the whole stabilisation window, goes in steps, and ends at the fixed pool', () => {
    const world = grown();
    const before = world.changes.length;
    const since = world.nowMs;
    world.run(120, { busySlots: 0, queued: 0, waitMs: 0 });
    const less = world.changes.slice(before);
    expect((less[0]?.atMs ?? 0) - since).toBeGreaterThanOrEqual(59_000);
    expect(less.map(({ decision }) => decision.desiredSlots)).toEqual([16, 8, 4]);
    expect(less[0]?.decision.reason).toMatch(/the most it needed in 60,000 ms was 0$/);
  });

  it('goes to the highest need of the window', () => {
    const world = grown();
    world.run(60, { busySlots: 0, queued: 0, waitMs: 0 });
    world.run(90, (second) => ({ busySlots: second % 20 === 0 ? 10 : 1 }));
    expect(world.slots).toBe(10);
  });

  it('takes nothing away after a restart until it has watched for the window', () => {
    const world = new World({ agents: [agent({ credits: 32 })] });
    world.run(60);
    expect(world.changes).toEqual([]);
    world.run(1);
    expect(world.slots).toBe(16);
  });

  it('never takes a slot that is busy', () => {
    const world = new World({ agents: [agent({ credits: 8 })] });
    world.run(61, { busySlots: 0 });
    world.run(1, { busySlots: 8 });
    expect(world.slots).toBeGreaterThanOrEqual(4);
    const busy = new World({ agents: [agent({ credits: 8 })] });
    busy.run(100, { busySlots: 7 });
    expect(busy.slots).toBe(7);
  });

  it('gives slots back before agents, and these whole', () => {
    const world = new World({
      agents: [agent({ credits: 6 }), agent({ id: 'other', credits: 8, range: undefined })],
      elsewhere: others({ slots: 8, min: 4 }),
    });
    world.run(80);
    expect(world.changes.map(({ decision }) => decision.change)).toEqual([
      { place: 'same-host', by: -2 },
      { place: 'other-hosts', by: -4 },
    ]);
  });
});

describe('agents that exist only elsewhere', () => {
  it('all go in the end', () => {
    const world = new World({ agents: [], busySlots: 0, queued: 9, waitMs: 3_000, elsewhere: others() });
    world.run(20, () => ({ busySlots: world.slots }));
    expect(world.slots).toBe(8);
    world.run(90, { busySlots: 0, queued: 0, waitMs: 0 });
    expect(world.slots).toBe(0);
  });
});

describe('the fixed pool elsewhere', () => {
  it('is filled up at once', () => {
    const world = new World({ agents: [], elsewhere: others({ min: 8 }) });
    expect(world.run(1)).toMatchObject({ change: { place: 'other-hosts', by: 8 }, reason: /its fixed pool/ });
    world.run(100);
    expect(world.slots).toBe(8);
  });
});

describe('whatever happens', () => {
  const looks = fc.array(
    fc.record({
      busy: fc.nat(40),
      queued: fc.oneof(fc.constant(0), fc.nat(200)),
      waitMs: fc.oneof(fc.constant(0), fc.nat(5_000)),
      hostCpu: fc.double({ min: 0, max: 1, noNaN: true }),
      perSecond: fc.nat(100),
      bound: fc.constantFrom('io' as const, 'cpu' as const, undefined),
      seconds: fc.integer({ min: 1, max: 90 }),
    }),
    { maxLength: 12 },
  );

  /** What has to hold of one decision, and of the slots after it. */
  const check = (world: World, before: PoolObservation, decision: PoolDecision) => {
    const { slots, desiredSlots, change, reason } = decision;
    const [own] = world.seen.agents;
    expect(own?.credits).toBeGreaterThanOrEqual(4);
    expect(own?.credits).toBeLessThanOrEqual(settings.sameHostMaxSlots);
    expect(world.seen.elsewhere?.slots).toBeLessThanOrEqual(12);
    expect(world.seen.elsewhere?.slots).toBeGreaterThanOrEqual(0);
    expect(desiredSlots).toBe(slots + (change?.by ?? 0));
    if (!change) return;
    expect(Math.abs(change.by)).toBeLessThanOrEqual(settings.maxStep);
    if (change.by < 0) {
      if (!reason.includes('throughput fell')) expect(desiredSlots).toBeGreaterThanOrEqual(before.busySlots);
      return;
    }
    checkGrowth(before, decision);
  };

  const checkGrowth = (before: PoolObservation, { slots, change }: PoolDecision) => {
    // Agents elsewhere come whole, with four slots each.
    const whole = change?.place === 'other-hosts' ? 4 : 1;
    expect(change?.by).toBeLessThanOrEqual(Math.ceil(slots / whole) * whole);
    expect(before.busySlots).toBeGreaterThanOrEqual(0.8 * slots);
    const hottest = Math.max(...before.agents.map(({ hostCpu = 0 }) => hostCpu));
    expect(before.waitMs > settings.waitTargetMs || hottest > settings.cpuThreshold).toBe(true);
    if (change?.place === 'other-hosts') return;
    expect(before.agents[0]?.bound).not.toBe('cpu');
    expect(before.agents[0]?.hostCpu).toBeLessThanOrEqual(settings.cpuThreshold);
  };

  it('it keeps to its bounds', () => {
    fc.assert(
      fc.property(looks, (parts) => {
        const world = new World({ elsewhere: others({ max: 12 }) });
        let completed = 0;
        for (const { busy, queued, waitMs, bound, hostCpu, perSecond, seconds } of parts) {
          for (let second = 0; second < seconds; second += 1) {
            completed += perSecond;
            const [first, ...rest] = world.seen.agents;
            const agents = [{ ...(first as AgentSlots), bound, hostCpu }, ...rest];
            const busySlots = Math.min(busy, world.slots);
            const before = { ...world.seen, agents, busySlots, queued, waitMs, completed };
            check(world, before, world.run(1, before));
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('it gives everything back once nothing is asked of it', () => {
    fc.assert(
      fc.property(looks, (parts) => {
        const world = new World({ elsewhere: others({ max: 12 }) });
        for (const { busy, queued, waitMs, bound, seconds } of parts) {
          world.run(seconds, () => {
            const [first, ...rest] = world.seen.agents;
            return {
              agents: [{ ...(first as AgentSlots), bound }, ...rest],
              busySlots: Math.min(busy, world.slots),
              queued,
              waitMs,
            };
          });
        }
        world.run(200, { busySlots: 0, queued: 0, waitMs: 0 });
        expect(world.slots).toBe(4);
      }),
      { numRuns: 100 },
    );
  });
});
