import { CogmeshError } from '@cogmesh/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentsElsewhere } from './agents-elsewhere.js';

const [detect, read] = ['model:acme/detect@4.0.0', 'model:acme/read@4.0.0'];

let agents: number;
let isAway: boolean;
let pool: AgentsElsewhere;

beforeEach(() => {
  [agents, isAway] = [0, false];
  pool = new AgentsElsewhere({
    name: 'workers',
    capabilities: [detect, read],
    slotsPerAgent: 4,
    min: 1,
    max: 5,
    fleet: {
      count: async () => {
        if (isAway) throw new CogmeshError('unavailable', 'away');
        return agents;
      },
      scale: async (count) => void (agents = count),
      stop: async () => {},
    },
  });
});

const resize = async (capability: string, by: number) => {
  const slots = pool.slots(capability)?.slots ?? NaN;
  return pool.resize(capability, slots + by, 'a test');
};

describe('agents elsewhere', () => {
  it('are slots in steps of one agent', async () => {
    await pool.refresh();
    expect(pool.slots(detect)).toEqual({ slots: 0, min: 4, max: 20, step: 4 });
    expect(pool.slots('tool:acme/other')).toBeUndefined();
    expect(await resize(detect, 8)).toBe(true);
    expect(agents).toBe(2);
    await pool.refresh();
    expect(pool.slots(detect)).toEqual({ slots: 8, min: 4, max: 20, step: 4 });
  });

  it('of the fixed pool are asked for once, not by each capability', async () => {
    await pool.refresh();
    await resize(detect, 4);
    expect(pool.slots(read)).toMatchObject({ slots: 4, min: 4 });
  });

  it('stay while any capability of theirs needs them', async () => {
    agents = 4;
    await pool.refresh();
    expect(await resize(read, -8)).toBe(false);
    expect(agents).toBe(4);
    expect(pool.slots(read)).toMatchObject({ slots: 8 });
    expect(pool.slots(detect)).toMatchObject({ slots: 16 });
    expect(await resize(detect, -4)).toBe(true);
    expect(agents).toBe(3);
    expect(await resize(detect, -12)).toBe(true);
    expect(agents).toBe(2);
    expect(await resize(read, -8)).toBe(true);
    expect(agents).toBe(1);
  });

  it('come on top of those that others wanted, up to the most', async () => {
    agents = 2;
    await pool.refresh();
    await resize(read, -8);
    expect(pool.slots(read)).toMatchObject({ slots: 4, max: 16 });
    expect(await resize(read, 4)).toBe(true);
    expect(agents).toBe(3);
    await resize(detect, 8);
    expect(agents).toBe(5);
    expect(pool.slots(detect)?.max).toBe(pool.slots(detect)?.slots);
  });

  it('are nobody’s to ask for while the fleet cannot say how many there are', async () => {
    agents = 2;
    await pool.refresh();
    isAway = true;
    await expect(pool.refresh()).rejects.toThrow('away');
    expect(pool.slots(detect)).toBeUndefined();
    expect(await pool.resize(detect, 12, 'a test')).toBe(false);
    isAway = false;
    await pool.refresh();
    expect(pool.slots(detect)).toMatchObject({ slots: 8 });
  });

  it('that somebody else added are kept until nobody needs them', async () => {
    await pool.refresh();
    await resize(detect, 4);
    agents = 3;
    await pool.refresh();
    expect(pool.slots(detect)).toMatchObject({ slots: 12 });
    expect(pool.slots(read)).toMatchObject({ slots: 12 });
  });
});
