import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noRule, ScopeBook } from './scope-book.js';

function bookAt(start = 0) {
  const open = new Map<string, boolean>();
  const clock = { nowMs: start };
  const book = new ScopeBook({
    nowMs: () => clock.nowMs,
    onOpen: (scope) => open.set(scope, true),
    onClose: (scope) => open.set(scope, false),
  });
  return { book, clock, isOpen: (scope: string) => open.get(scope) ?? true };
}

const step = fc.oneof(
  fc.record({ hold: fc.nat({ max: 6 }), scopes: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')) }),
  fc.record({ release: fc.nat({ max: 6 }) }),
  fc.record({ limit: fc.nat({ max: 3 }), scope: fc.constantFrom('a', 'b', 'c'), paused: fc.boolean() }),
);

describe('ScopeBook', () => {
  it('is open exactly while it is not paused and has fewer in flight than its limit', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { book, isOpen } = bookAt();
        const held = new Map<number, string[]>();
        const rules = new Map<string, { limit: number; paused: boolean }>();
        for (const each of steps) {
          if ('hold' in each) {
            book.hold(`x${each.hold}`, each.scopes);
            held.set(each.hold, each.scopes);
          } else if ('release' in each) {
            book.release(`x${each.release}`);
            held.delete(each.release);
          } else {
            book.put(each.scope, { ...noRule, maxInFlight: each.limit, paused: each.paused });
            rules.set(each.scope, each);
          }
          for (const scope of ['a', 'b', 'c']) {
            const inFlight = [...held.values()].filter((scopes) => scopes.includes(scope)).length;
            const { limit = 0, paused = false } = rules.get(scope) ?? {};
            expect(book.inFlight(scope)).toBe(inFlight);
            expect(isOpen(scope)).toBe(!paused && (limit === 0 || inFlight < limit));
            expect(book.obstacle(scope) === undefined).toBe(isOpen(scope));
          }
        }
      }),
    );
  });

  it('never starts more than burst + rate * time, whatever the pace, and gets there', () => {
    const paces = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), paces, (rate, burst, waits) => {
        const { book, clock, isOpen } = bookAt(5_000);
        book.put('a', { ...noRule, ratePerSecond: rate, burst });
        let started = 0;
        const startAll = (): void => {
          for (; isOpen('a'); started += 1) book.hold(`x${started}`, ['a']);
        };
        startAll();
        expect(started).toBe(burst);
        for (const wait of waits) {
          clock.nowMs += wait;
          book.refill();
          startAll();
          const allowed = burst + (rate * (clock.nowMs - 5_000)) / 1_000;
          expect(started).toBeLessThanOrEqual(allowed + 1e-3);
        }
        const nextMs = book.refill() ?? 0;
        expect(nextMs).toBeGreaterThan(0);
        const before = started;
        clock.nowMs += nextMs;
        expect(book.refill()).toBeUndefined();
        startAll();
        expect(started).toBeGreaterThan(before);
      }),
    );
  });

  it('counts what is restored without taking a token, and frees what is released', () => {
    const { book, isOpen } = bookAt();
    book.put('a', { maxInFlight: 2, ratePerSecond: 1, burst: 1, paused: false });
    book.restore('x', ['a']);
    expect(isOpen('a')).toBe(true);
    book.restore('y', ['a']);
    expect(book.obstacle('a')).toEqual({ reason: 'in_flight', inFlight: 2, maxInFlight: 2 });
    book.release('x');
    book.release('x');
    expect([book.inFlight('a'), isOpen('a')]).toEqual([1, true]);
    book.hold('z', ['a']);
    book.release('z');
    expect(book.obstacle('a')).toEqual({ reason: 'rate', ratePerSecond: 1, againInMs: 1_000 });
  });
});
