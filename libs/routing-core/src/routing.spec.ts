import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OfferedCapability, RoutableAgent } from './agent.js';
import { chooseAgent } from './choose-agent.js';
import { matchCapability, offeredVersions } from './match-capability.js';

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

  it('prefers a warm model', () => {
    const cold = agent('cold', [offer('script', { ready: false, credits: 100 })]);
    const warm = agent('warm', [offer('script', { credits: 1 })], { queued: 5 });
    const chosen = chooseAgent(matchCapability('script', 'acme', [cold, warm]), { inFlight: () => 0, random: () => 0 });
    expect(chosen?.agent.id).toBe('warm');
  });
});
