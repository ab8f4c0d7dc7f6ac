import { CogmeshError } from '@cogmesh/errors';
import { defaultPoolSettings } from '@cogmesh/scheduling-core';
import { createLogger } from '@cogmesh/telemetry';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { SeenAgent } from './agent-book.js';
import { AgentsElsewhere } from './agents-elsewhere.js';
import type { Sighting } from './duty.js';
import { PoolController, type PoolControllerOptions } from './pool-controller.js';
import { SameHostPool } from './same-host-pool.js';

const [lookup, render] = ['tool:acme/lookup', 'tool:acme/render'];
const settings = {
  ...defaultPoolSettings,
  waitForMs: 2_000,
  cooldownMs: 2_000,
  stabilisationMs: 20_000,
  startPatienceMs: 5_000,
  settleMs: 1_000,
};

/** The registry, its agents, a fleet and what the scheduler knows, at the ports of the controller; time passes by hand. */
class World {
  nowMs = 10_000;
  credits = new Map([
    ['a', 2],
    ['b', 2],
  ]);
  refusing = new Set<string>();
  isRegistryAway = false;
  onDuty = true;
  released = 0;
  started = 0;
  queued = new Map<string, number>();
  /** What another replica has queued. */
  elsewhereQueued = 0;
  readonly controller: PoolController;

  constructor(over: Partial<PoolControllerOptions> & { min?: number } = {}) {
    const sameHost = new SameHostPool(settings, {
      setCredits: async (agentId, { credits }) => {
        if (this.refusing.has(agentId)) throw new CogmeshError('failed_precondition', 'no');
        this.credits.set(agentId, credits);
      },
    });
    const elsewhere = new AgentsElsewhere({
      name: 'render',
      capabilities: [render],
      slotsPerAgent: 2,
      min: over.min ?? 0,
      max: 3,
      fleet: {
        count: async () => this.started,
        scale: async (agents) => void (this.started = agents),
        stop: async () => void (this.started = 0),
      },
    });
    this.controller = new PoolController({
      mode: 'dynamic',
      settings,
      lookMs: 50,
      agents: { list: async () => this.#list() },
      sameHost,
      elsewhere: [elsewhere],
      duty: { take: async (mine) => this.#take(mine), release: async () => void (this.released += 1) },
      sight: () => this.#sight(),
      capabilityOf: (need) => need,
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      logger: createLogger({ level: 'silent' }),
      ...over,
    });
  }

  async pass(seconds: number) {
    for (let second = 0; second < seconds; second += 1) {
      await this.controller.look();
      this.nowMs += 1_000;
    }
  }

  #list(): SeenAgent[] {
    if (this.isRegistryAway) throw new CogmeshError('unavailable', 'the registry is away');
    const seen = { measuredAtMs: this.nowMs, cpu: 0.1, meanRunning: 2, hostCpu: 0.2, completed: 0 };
    const agents: SeenAgent[] = [...this.credits].map(([id, credits]) => ({
      ...seen,
      id,
      capabilities: [{ name: lookup, credits, range: { min: 2, max: 8 }, bound: undefined }],
    }));
    for (let at = 0; at < this.started; at += 1) {
      agents.push({
        ...seen,
        id: `r${at}`,
        capabilities: [{ name: render, credits: 2, range: undefined, bound: 'cpu' }],
      });
    }
    return agents;
  }

  #sight(): Sighting {
    const total = (capability: string) =>
      this.#list()
        .flatMap(({ capabilities }) => capabilities)
        .reduce((sum, { name, credits }) => sum + (name === capability ? credits : 0), 0);
    const waiting = [...this.queued].map(
      ([need, queued]) => [need, { queued, readyAtMs: this.nowMs - 3_000 }] as const,
    );
    return {
      waiting,
      busy: [...this.queued].flatMap(([name, queued]) => (queued > 0 ? [[name, total(name)] as const] : [])),
    };
  }

  #take(mine: Sighting): Sighting[] | undefined {
    if (!this.onDuty) return undefined;
    const other = [[lookup, { queued: this.elsewhereQueued, readyAtMs: this.nowMs - 3_000 }]] as const;
    return this.elsewhereQueued > 0 ? [mine, { waiting: other, busy: [[lookup, 4]] }] : [mine];
  }
}

let world: World;
beforeEach(() => void (world = new World()));

describe('the pool', () => {
  it('grows where agents are, evenly, and shrinks back', async () => {
    world.queued.set(lookup, 50);
    await world.pass(3);
    expect([...world.credits.values()]).toEqual([4, 4]);
    await world.pass(6);
    expect([...world.credits.values()]).toEqual([8, 8]);
    world.queued.clear();
    await world.pass(60);
    expect([...world.credits.values()]).toEqual([2, 2]);
    const { history } = world.controller;
    expect(history.map(({ slots, desiredSlots }) => [slots, desiredSlots])).toEqual([
      [4, 8],
      [8, 16],
      [16, 8],
      [8, 4],
    ]);
    expect(world.controller.summary).toMatch(
      /tool:acme\/lookup: 8 to 4 slots where its agents are: the most it needed/,
    );
  });

  it('starts the first agent elsewhere for what nobody serves, and lets it go', async () => {
    world.queued.set(render, 3);
    await world.pass(3);
    expect(world.started).toBe(1);
    await world.pass(10);
    expect(world.started).toBe(3);
    world.queued.clear();
    await world.pass(60);
    expect(world.started).toBe(0);
  });

  it('asks again when an agent refused', async () => {
    world.queued.set(lookup, 50);
    world.refusing = new Set(['a', 'b']);
    await world.pass(3);
    expect(world.controller.history).toEqual([]);
    world.refusing.delete('b');
    await world.pass(3);
    expect(world.credits).toEqual(new Map([['a', 2], ['b', 4]])); // prettier-ignore
  });

  it('stays as it is where another replica decides, and counts what that one sees where it decides itself', async () => {
    world.queued.set(lookup, 50);
    world.onDuty = false;
    await world.pass(20);
    expect(world.controller.history).toEqual([]);
    world.queued.clear();
    world.onDuty = true;
    world.elsewhereQueued = 1;
    await world.pass(3);
    expect(world.controller.history).toMatchObject([{ slots: 4, desiredSlots: 5 }]);
  });

  it('in fixed mode keeps the fixed pool elsewhere up, and changes nothing else', async () => {
    world = new World({ mode: 'fixed', min: 2 });
    world.queued.set(lookup, 50);
    world.queued.set(render, 50);
    await world.pass(10);
    expect(world.started).toBe(2);
    expect([...world.credits.values()]).toEqual([2, 2]);
    world.started = 0;
    await world.pass(1);
    expect(world.started).toBe(2);
  });

  it('outlives a registry that is away, and releases its duty when it stops', async () => {
    world.isRegistryAway = true;
    world.queued.set(lookup, 50);
    world.controller.start();
    world.isRegistryAway = false;
    await vi.waitFor(
      () => {
        world.nowMs += 500;
        expect(world.controller.history.length).toBeGreaterThan(0);
      },
      { timeout: 5_000, interval: 20 },
    );
    await world.controller.stop();
    expect(world.released).toBe(1);
  });

  it('remembers a hundred changes', async () => {
    for (let round = 0; round < 60; round += 1) {
      world.queued.set(lookup, 50);
      await world.pass(4);
      world.queued.clear();
      await world.pass(30);
    }
    expect(world.controller.history).toHaveLength(100);
  });
});
