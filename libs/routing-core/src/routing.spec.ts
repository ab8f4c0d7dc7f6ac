import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OfferedCapability, RoutableAgent } from './agent.js';
import { chooseAgent } from './choose-agent.js';
import { matchCapability, newestOffers, offeredVersions } from './match-capability.js';

const offer = (name: string, overrides: Partial<OfferedCapability> = {}): OfferedCapability => ({
  name,
  credits: 4,
  ready: true,
  ...overrides,
});
const agent = (
  id: string,
  capabilities: readonly OfferedCapability[],
  overrides: Partial<RoutableAgent> = {},
): RoutableAgent => ({
  id,
  organisation: 'acme',
  kind: 'worker',
  state: 'READY',
  capabilities,
  latencyMs: 10,
  queued: 0,
  ...overrides,
});
const served = (uses: string, agents: readonly RoutableAgent[], organisation = 'globex') =>
  matchCapability(uses, organisation, agents).map((candidate) => `${candidate.agent.id} ${candidate.capability.name}`);

describe('matchCapability', () => {
  const ocr = agent('ocr', [
    offer('model:acme/read@4.0.0'),
    offer('model:acme/read@4.2.0'),
    offer('model:acme/read@5.0.0'),
    offer('script'),
  ]);
  const cases: readonly [string, string, string[]][] = [
    ['model:acme/read@^4', 'globex', ['ocr model:acme/read@4.2.0']],
    ['model:acme/read', 'globex', ['ocr model:acme/read@5.0.0']],
    ['model:acme/read@4.0.0', 'globex', ['ocr model:acme/read@4.0.0']],
    ['model:acme/read@^6', 'globex', []],
    ['model:read@^4', 'acme', ['ocr model:acme/read@4.2.0']],
    ['model:read@^4', 'globex', []],
    ['script', 'globex', ['ocr script']],
    ['tool:acme/lookup', 'globex', []],
  ];
  it.each(cases)('%s for %s', (uses, organisation, want) => {
    expect(served(uses, [ocr], organisation)).toEqual(want);
  });

  it('asks only agents that are ready', () => {
    const states = ['STARTING', 'DRAINING', 'LOST', 'GONE'] as const;
    expect(
      served(
        'script',
        states.map((state) => agent(state, [offer('script')], { state })),
      ),
    ).toEqual([]);
  });

  it('prefers a loaded version to a higher one that must load first', () => {
    const cold = agent('a', [offer('model:acme/m@1.0.0'), offer('model:acme/m@2.0.0', { ready: false })]);
    expect(served('model:acme/m', [cold])).toEqual(['a model:acme/m@1.0.0']);
  });

  it('names the versions that exist', () => {
    expect(offeredVersions('model:acme/read@^9', 'globex', [ocr])).toEqual([
      'model:acme/read@4.0.0',
      'model:acme/read@4.2.0',
      'model:acme/read@5.0.0',
    ]);
  });
});

describe('chooseAgent', () => {
  const pool = (credits: readonly number[]) =>
    matchCapability(
      'script',
      'acme',
      credits.map((count, index) => agent(`a${index}`, [offer('script', { credits: count })])),
    );

  it('never exceeds anybody’s credits, and uses all of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (credits, randoms) => {
          const inFlight = new Map<string, number>();
          const used = (id: string) => inFlight.get(id) ?? 0;
          const total = credits.reduce((sum, count) => sum + count, 0);
          const random = () => randoms.next().value as number;
          for (let i = 0; i < total; i += 1) {
            const chosen = chooseAgent(pool(credits), { inFlight: (each) => used(each.agent.id), random });
            expect(chosen).toBeDefined();
            const id = chosen?.agent.id ?? '';
            inFlight.set(id, used(id) + 1);
            expect(used(id)).toBeLessThanOrEqual(credits[Number(id.slice(1))] ?? 0);
          }
          expect(chooseAgent(pool(credits), { inFlight: (each) => used(each.agent.id), random })).toBeUndefined();
        },
      ),
    );
  });

  it('takes the less loaded of two', () => {
    const busy = agent('busy', [offer('script')], { queued: 3 });
    const idle = agent('idle', [offer('script')]);
    for (const random of [0, 0.4, 0.6, 0.99]) {
      const chosen = chooseAgent(matchCapability('script', 'acme', [busy, idle]), {
        inFlight: () => 0,
        random: () => random,
      });
      expect(chosen?.agent.id).toBe('idle');
    }
  });

  /** Hands out `count` tasks of which none ends; how many each agent got. */
  const dealt = (credits: readonly number[], count: number, observed: readonly (number | undefined)[]) => {
    const inFlight = credits.map(() => 0);
    const indexOf = (id: string) => Number(id.slice(1));
    for (let i = 0; i < count; i += 1) {
      const chosen = chooseAgent(pool(credits), {
        inFlight: ({ agent }) => inFlight[indexOf(agent.id)] ?? 0,
        random: () => (i * 0.37) % 1,
        observedMs: ({ agent }) => observed[indexOf(agent.id)],
      });
      if (chosen) inFlight[indexOf(chosen.agent.id)] = (inFlight[indexOf(chosen.agent.id)] ?? 0) + 1;
    }
    return inFlight;
  };

  it('fills a fast agent before one that takes more than twice as long', () => {
    expect(dealt([8, 8], 8, [20, 100])).toEqual([8, 0]);
    expect(dealt([8, 8], 12, [100, 20])).toEqual([4, 8]);
    expect(dealt([8, 8, 8], 16, [100, 20, 30])).toEqual([0, 8, 8]);
  });

  it('loads equals alike, in proportion to their credits', () => {
    expect(dealt([10, 10], 10, [20, 20])).toEqual([5, 5]);
    expect(dealt([30, 10], 20, [20, 20])).toEqual([15, 5]);
  });

  it('tries an agent that nobody has observed', () => {
    const [known = 0, unknown = 0] = dealt([8, 8], 8, [20, undefined]);
    expect(unknown).toBeGreaterThanOrEqual(known);
  });

  it('takes the run time that agents report where nothing was observed', () => {
    const candidates = matchCapability('script', 'acme', [
      agent('slow', [offer('script')], { latencyMs: 100 }),
      agent('fast', [offer('script')], { latencyMs: 20 }),
    ]);
    for (const random of [0, 0.6]) {
      expect(chooseAgent(candidates, { inFlight: () => 0, random: () => random })?.agent.id).toBe('fast');
    }
  });

  it('prefers a warm model', () => {
    const cold = agent('cold', [offer('script', { ready: false, credits: 100 })]);
    const warm = agent('warm', [offer('script', { credits: 1 })], { queued: 5 });
    const chosen = chooseAgent(matchCapability('script', 'acme', [cold, warm]), { inFlight: () => 0, random: () => 0 });
    expect(chosen?.agent.id).toBe('warm');
  });
});

describe('newestOffers', () => {
  const agents = [
    agent('a', [offer('model:acme/read@4.2.0', { ready: false }), offer('model:acme/read@4.0.0')], {
      state: 'STARTING',
    }),
    agent('b', [offer('model:acme/read@4.2.0', { credits: 1 }), offer('tool:acme/lookup')]),
    agent('lost', [offer('model:acme/read@4.9.0')], { state: 'LOST' }),
    agent('draining', [offer('model:acme/read@4.8.0'), offer('tool:acme/lookup')], { state: 'DRAINING' }),
  ];
  it.each([
    ['model:acme/read', ['model:acme/read@4.2.0 4', 'model:acme/read@4.2.0 1']],
    ['model:acme/read@~4.0', ['model:acme/read@4.0.0 4']],
    ['model:acme/read@^5', []],
    ['tool:acme/lookup', ['tool:acme/lookup 4']],
    ['script', []],
  ])('of %s', (uses, want) => {
    expect(newestOffers(uses, '', agents).map(({ name, credits }) => `${name} ${credits}`)).toEqual(want);
  });
});
