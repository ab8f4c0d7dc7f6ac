import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deal, roomOf, surplusOf, type AgentSlots } from './same-host.js';
import { defaultPoolSettings } from './settings.js';

const settings = { ...defaultPoolSettings, sameHostMaxSlots: 10 };
const agent = (id: string, credits: number, over: Partial<AgentSlots> = {}): AgentSlots => ({
  id,
  credits,
  range: { min: 2, max: 12 },
  bound: 'io',
  cpu: 0,
  cpuPerSlot: 0,
  hostCpu: 0,
  ...over,
});

describe('slots dealt out', () => {
  it('make agents even', () => {
    expect(deal([agent('a', 2), agent('b', 5)], 5, settings)).toEqual(
      new Map([
        ['a', 6],
        ['b', 6],
      ]),
    );
    expect(deal([agent('a', 9), agent('b', 5)], -5, settings)).toEqual(new Map([['a', 4]]));
  });

  it('go to nobody who computes, is fixed or sits on a busy host', () => {
    const agents = [
      agent('a', 2, { bound: 'cpu' }),
      agent('b', 2, { range: undefined }),
      agent('c', 2, { hostCpu: 0.9 }),
    ];
    expect(deal([...agents, agent('d', 2)], 3, settings)).toEqual(new Map([['d', 5]]));
    expect(deal(agents, 3, settings).size).toBe(0);
  });

  it('are as many as asked for where there is room, and stay within every range', () => {
    const agents = fc.array(fc.tuple(fc.integer({ min: 2, max: 10 }), fc.constantFrom('io' as const, 'cpu' as const)), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(agents, fc.integer({ min: -40, max: 40 }), (list, change) => {
        const all = list.map(([credits, bound], at) => agent(String(at), credits, { bound }));
        const dealt = deal(all, change, settings);
        const room = all.reduce((sum, each) => sum + (change > 0 ? roomOf(each, settings) : surplusOf(each)), 0);
        const moved = all.reduce((sum, { id, credits }) => sum + ((dealt.get(id) ?? credits) - credits), 0);
        expect(moved + 0).toBe(Math.sign(change) * Math.min(Math.abs(change), room) + 0);
        for (const credits of dealt.values()) {
          expect(credits).toBeGreaterThanOrEqual(2);
          expect(credits).toBeLessThanOrEqual(10);
        }
      }),
    );
  });
});
