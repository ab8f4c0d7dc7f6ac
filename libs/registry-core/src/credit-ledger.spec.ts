import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CreditLedger } from './credit-ledger.js';

describe('credits of one agent', () => {
  it('are given until none is free and come back', () => {
    const ledger = new CreditLedger();
    ledger.announce([{ name: 'tool:acme/lookup', credits: 2 }]);
    expect(ledger.take('1', 'tool:acme/lookup')).toBe(true);
    expect(ledger.take('2', 'tool:acme/lookup')).toBe(true);
    expect(ledger.take('3', 'tool:acme/lookup')).toBe(false);
    expect(ledger.take('2', 'tool:acme/lookup')).toBe(true);
    expect(ledger.release('1')).toBe(true);
    expect(ledger.release('1')).toBe(false);
    expect(ledger.take('3', 'tool:acme/lookup')).toBe(true);
  });

  it('has none for a capability that is not announced', () => {
    expect(new CreditLedger().take('1', 'tool:acme/other')).toBe(false);
  });

  it('never gives more than announced, and never loses one', () => {
    const acts = fc.array(fc.tuple(fc.constantFrom('take', 'release'), fc.integer({ min: 0, max: 9 })));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 }), acts, (credits, steps) => {
        const ledger = new CreditLedger();
        ledger.announce([{ name: 't', credits }]);
        const held = new Set<string>();
        for (const [act, n] of steps) {
          const id = String(n);
          if (act === 'release') expect(ledger.release(id)).toBe(held.delete(id));
          else if (ledger.take(id, 't')) held.add(id);
          expect(held.size).toBeLessThanOrEqual(credits);
          expect(ledger.free('t')).toBe(credits - held.size);
        }
      }),
    );
  });
});
