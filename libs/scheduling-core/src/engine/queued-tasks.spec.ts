import { describe, expect, it } from 'vitest';
import { QueuedTasks, type Admission } from './queued-tasks.js';

interface Stored {
  readonly open: number;
}

function admission(store: () => Promise<Stored>, extra: Partial<Admission<Stored>> = {}): Admission<Stored> {
  const earlier = (): Promise<undefined> => Promise.resolve(undefined);
  return { organisation: 'globex', tasks: 3, maxQueued: 5, earlier, store, ...extra };
}

describe('QueuedTasks', () => {
  it('reserves before it stores, so that two submits at once do not pass together', async () => {
    const queued = new QueuedTasks(() => 0);
    let finish: (stored: Stored) => void = () => undefined;
    const first = queued.admit(admission(() => new Promise((resolve) => (finish = resolve))));
    let stored = false;
    const second = queued.admit(admission(async () => ((stored = true), Promise.resolve({ open: 3 }))));
    await expect(second).rejects.toMatchObject({ code: 'rate_limited', details: { queued: 3, retryAfterSeconds: 5 } });
    expect(stored).toBe(false);
    finish({ open: 3 });
    await first;
    expect(queued.of('globex')).toBe(3);
  });

  it('goes by the store’s count where others work for the organisation too, and by what it stores itself', async () => {
    const queued = new QueuedTasks(() => 0);
    const refused = queued.admit(admission(() => Promise.resolve({ open: 3 }), { known: 3 }));
    await expect(refused).rejects.toMatchObject({ code: 'rate_limited', details: { queued: 3 } });
    let finish: (stored: Stored) => void = () => undefined;
    const first = queued.admit(admission(() => new Promise((resolve) => (finish = resolve)), { known: 1 }));
    const second = queued.admit(admission(() => Promise.resolve({ open: 3 }), { known: 1 }));
    await expect(second).rejects.toMatchObject({ code: 'rate_limited', details: { queued: 4 } });
    finish({ open: 0 });
    await first;
    expect(queued.of('globex')).toBe(0);
    await queued.admit(admission(() => Promise.resolve({ open: 0 }), { known: 1 }));
  });

  it('gives back what a failed or repeated submit reserved', async () => {
    const queued = new QueuedTasks(() => 0);
    await expect(queued.admit(admission(() => Promise.reject(new Error('down'))))).rejects.toThrow('down');
    expect(queued.of('globex')).toBe(0);
    await queued.admit(admission(() => Promise.resolve({ open: 0 })));
    expect(queued.of('globex')).toBe(0);
  });

  it('counts anew only between submits, and submits wait for it', async () => {
    const queued = new QueuedTasks(() => 0);
    const rows = new Map<string, number>();
    let finish: () => void = () => undefined;
    const storing = queued.admit(
      admission(async () => {
        await new Promise<void>((resolve) => (finish = resolve));
        rows.set('globex', 3);
        return { open: 3 };
      }),
    );
    let isRead = false;
    const counted = queued.recount(async () => {
      isRead = true;
      await Promise.resolve();
      queued.restored({ open: [...rows].map(([organisation, open]) => ({ organisation, open })) });
    });
    const late = queued.admit(admission(() => Promise.resolve({ open: 2 }), { tasks: 2 }));
    expect(isRead).toBe(false);
    finish();
    await Promise.all([storing, counted, late]);
    expect(isRead).toBe(true);
    expect(queued.of('globex')).toBe(5);
  });

  it('follows what is decided, and names a time to come back from how fast tasks end', async () => {
    let nowMs = 0;
    const queued = new QueuedTasks(() => nowMs);
    queued.decided({ opened: new Map([['globex', 40]]) });
    for (; nowMs < 10_000; nowMs += 500) queued.decided({ opened: new Map([['globex', -1]]) });
    expect(queued.of('globex')).toBe(20);
    const refused = queued.admit(admission(() => Promise.resolve({ open: 3 }), { maxQueued: 3 }));
    // 20 too many, two end each second.
    await expect(refused).rejects.toMatchObject({ details: { retryAfterSeconds: expect.closeTo(10, -1) as number } });
  });
});
