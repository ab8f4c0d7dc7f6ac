import { registryV1 } from '@cogmesh/contracts';
import { describe, expect, it } from 'vitest';
import type { HandlerOptions, ServedTool } from './handler.js';
import { announced, setSlots, slotsOf } from './slots.js';

const capability = 'tool:acme/lookup';
const toolsOf = (options: HandlerOptions) =>
  new Map<string, ServedTool>([[capability, { capability, handler: () => null, ...slotsOf(options) }]]);

describe('concurrency', () => {
  it('is fixed when it is a number, and announced as such', () => {
    const tools = toolsOf({ concurrency: 3 });
    expect(setSlots(tools, { capability, credits: 4 })).toMatch(/fixed at 3/);
    expect(announced(tools.values(), true)).toEqual([
      { name: capability, credits: 3, ready: true, bound: registryV1.Bound.UNSPECIFIED },
    ]);
  });

  it('changes within its range and nowhere else', () => {
    const tools = toolsOf({ concurrency: { initial: 2, max: 8 }, bound: 'io' });
    expect(setSlots(tools, { capability, credits: 8 })).toBeUndefined();
    expect(announced(tools.values(), true)).toEqual([
      { name: capability, credits: 8, ready: true, minCredits: 2, maxCredits: 8, bound: registryV1.Bound.IO },
    ]);
    for (const credits of [0, 1, 9]) expect(setSlots(tools, { capability, credits })).toMatch(/is 2 to 8/);
    expect(setSlots(tools, { capability: 'tool:acme/other', credits: 2 })).toMatch(/does not serve/);
    expect(tools.get(capability)?.slots).toBe(8);
  });

  it('of an agent that stops is nothing', () => {
    const [first] = announced(toolsOf({ concurrency: { initial: 2, max: 8 } }).values(), false);
    expect(first).toMatchObject({ credits: 0, ready: false });
  });

  it.each([0, 1.5, { initial: 0, max: 2 }, { initial: 3, max: 2 }, { initial: 1, max: 1_001 }])(
    'that makes no sense is refused: %j',
    (concurrency) => {
      expect(() => slotsOf({ concurrency })).toThrow(/whole number/);
    },
  );
});
