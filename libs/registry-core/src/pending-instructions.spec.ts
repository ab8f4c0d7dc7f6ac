import { describe, expect, it } from 'vitest';
import { TestClock } from '../test/builders.js';
import { PendingInstructions } from './pending-instructions.js';

const yes = { accepted: true, message: '' };

describe('instructions that await an answer', () => {
  it('resolve with the acknowledgement of their own agent only', async () => {
    const pending = new PendingInstructions(new TestClock());
    const answer = pending.expect('i1', 'a', 5_000);
    expect(pending.acknowledge('i1', 'b', yes)).toBe(false);
    expect(pending.acknowledge('i1', 'a', { accepted: false, message: 'busy' })).toBe(true);
    expect(pending.acknowledge('i1', 'a', yes)).toBe(false);
    await expect(answer).resolves.toEqual({ accepted: false, message: 'busy' });
  });

  it('time out', async () => {
    const clock = new TestClock();
    const pending = new PendingInstructions(clock);
    const answer = pending.expect('i1', 'a', 5_000);
    clock.advance(4_999);
    pending.expire();
    expect(pending.acknowledge('i0', 'a', yes)).toBe(false);
    clock.advance(1);
    pending.expire();
    await expect(answer).rejects.toMatchObject({ code: 'timeout' });
  });

  it('fail when the agent leaves', async () => {
    const pending = new PendingInstructions(new TestClock());
    const gone = pending.expect('i1', 'a', 5_000);
    const stays = pending.expect('i2', 'b', 5_000);
    pending.agentLeft('a');
    await expect(gone).rejects.toMatchObject({ code: 'unavailable' });
    pending.acknowledge('i2', 'b', yes);
    await expect(stays).resolves.toEqual(yes);
  });

  it('are bounded', async () => {
    const pending = new PendingInstructions(new TestClock(), 1);
    const first = pending.expect('i1', 'a', 5_000);
    await expect(pending.expect('i2', 'a', 5_000)).rejects.toMatchObject({ code: 'overloaded' });
    pending.acknowledge('i1', 'a', yes);
    await first;
  });
});
