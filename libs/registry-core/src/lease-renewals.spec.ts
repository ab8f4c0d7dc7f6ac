import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestClock } from '../test/builders.js';
import { LeaseRenewals } from './lease-renewals.js';

describe('lease renewals', () => {
  it('are due 500 ms after the first list', () => {
    const clock = new TestClock();
    const renewals = new LeaseRenewals({ clock });
    expect(renewals.due()).toBe(false);
    renewals.collect('a', ['1']);
    clock.advance(499);
    renewals.collect('b', ['2']);
    expect(renewals.due()).toBe(false);
    clock.advance(1);
    expect(renewals.due()).toBe(true);
    expect(renewals.take()).toEqual([
      { agentId: 'a', attemptIds: ['1'] },
      { agentId: 'b', attemptIds: ['2'] },
    ]);
    expect(renewals.due()).toBe(false);
  });

  it('are due at once when many attempts wait', () => {
    const renewals = new LeaseRenewals({ clock: new TestClock(), flushAtAttempts: 3 });
    renewals.collect('a', ['1', '2']);
    expect(renewals.due()).toBe(false);
    renewals.collect('b', ['3']);
    expect(renewals.due()).toBe(true);
  });

  it('comes back when it could not be delivered, except where the agent has spoken since', () => {
    const renewals = new LeaseRenewals({ clock: new TestClock() });
    renewals.collect('a', ['1']);
    renewals.collect('b', ['2']);
    const batch = renewals.take();
    renewals.collect('a', ['3']);
    renewals.putBack(batch);
    expect(new Map(renewals.take().map((held) => [held.agentId, held.attemptIds]))).toEqual(
      new Map([
        ['a', ['3']],
        ['b', ['2']],
      ]),
    );
  });

  it('holds exactly the newest list of each agent', () => {
    const lists = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.array(fc.string({ minLength: 1 }))));
    fc.assert(
      fc.property(lists, (spoken) => {
        const renewals = new LeaseRenewals({ clock: new TestClock() });
        for (const [agentId, attemptIds] of spoken) renewals.collect(agentId, attemptIds);
        const expected = new Map(spoken);
        for (const [agentId, attemptIds] of expected) if (attemptIds.length === 0) expected.delete(agentId);
        expect(new Map(renewals.take().map((held) => [held.agentId, held.attemptIds]))).toEqual(expected);
      }),
    );
  });
});
