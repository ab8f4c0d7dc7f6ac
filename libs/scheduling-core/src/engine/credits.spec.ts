import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Credits, type CreditUsage } from './credits.js';

const task = { organisation: 'globex', group: 'script' };
const uncounted: CreditUsage = { hold: () => undefined, restore: () => undefined, release: () => undefined };

const step = fc.oneof(
  fc.record({ hold: fc.integer({ min: 0, max: 5 }), agent: fc.constantFrom('a', 'b') }),
  fc.record({ release: fc.integer({ min: 0, max: 5 }) }),
);

it('counts exactly the attempts that are held, whatever is held or released twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const credits = new Credits(uncounted);
      const naive = new Map<string, string>();
      for (const each of steps) {
        if ('hold' in each) {
          credits.hold(`x${each.hold}`, { agentId: each.agent, capability: 'script' }, task);
          naive.set(`x${each.hold}`, each.agent);
        } else {
          credits.release(`x${each.release}`);
          naive.delete(`x${each.release}`);
        }
        for (const agent of ['a', 'b']) {
          expect(credits.usedBy(agent, 'script')).toBe([...naive.values()].filter((held) => held === agent).length);
        }
      }
    }),
  );
});

it('is rebuilt from rows and forgets what they do not hold', () => {
  const credits = new Credits(uncounted);
  credits.hold('leaked', { agentId: 'a', capability: 'script' }, task);
  const row = {
    runId: 'run_1',
    state: 'RUNNING',
    agentId: 'a',
    queue: null,
    capability: 'script',
    organisation: 'globex',
    uses: 'script',
    concurrencyGroup: null,
  } as const;
  credits.rebuild([
    { ...row, attemptId: 'running' },
    { ...row, attemptId: 'shared', queue: 'inference_tasks.script' },
  ]);
  expect(credits.has('leaked')).toBe(false);
  expect(credits.usedBy('a', 'script')).toBe(1);
  expect(credits.outstandingIn('inference_tasks.script')).toBe(1);
  expect(credits.agents()).toEqual(new Set(['a']));
});
