import { createMemoryHub, decode, type Bus } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { Report } from './report.js';

const result = (attemptId: string) => ({ attemptId, outcome: { case: 'outputJson' as const, value: '1' } });

/** A bus that fails its first publications. */
function failing(bus: Bus, errors: CogmeshError[]): Bus {
  return Object.create(bus, {
    publish: {
      value: (messages: Parameters<Bus['publish']>[0]) => {
        const error = errors.shift();
        return error ? Promise.reject(error) : bus.publish(messages);
      },
    },
  }) as Bus;
}

async function collect(): Promise<{ bus: Bus; batches: string[][] }> {
  const hub = createMemoryHub();
  const batches: string[][] = [];
  await hub.connect('scheduler').consume({ name: 'scheduler.results', kind: 'durable' }, ([delivery]) => {
    if (delivery) batches.push(decode(workV1.ResultBatchSchema, delivery).results.map(({ attemptId }) => attemptId));
    return Promise.resolve(['ack']);
  });
  return { bus: hub.connect('worker'), batches };
}

describe('Report', () => {
  it('sends what is said in one turn as one message, at most 50 at once', async () => {
    const { bus, batches } = await collect();
    const report = new Report(bus, new AbortController().signal);
    await Promise.all(Array.from({ length: 60 }, (_, index) => report.result(result(`a${index}`))));
    await report.result(result('b'));
    await expect.poll(() => batches.map((batch) => batch.length)).toEqual([50, 10, 1]);
  });

  it.each(['unavailable', 'not_found', 'overloaded'] as const)('tries again while the broker says %s', async (code) => {
    const { bus, batches } = await collect();
    const errors = [new CogmeshError(code, 'away'), new CogmeshError(code, 'away')];
    const report = new Report(failing(bus, errors), new AbortController().signal);
    await report.result(result('a'));
    await expect.poll(() => batches).toEqual([['a']]);
  });

  it('does not repeat what is refused, and tells everybody whose report was in it', async () => {
    const { bus } = await collect();
    const report = new Report(
      failing(bus, [new CogmeshError('permission_denied', 'no')]),
      new AbortController().signal,
    );
    const both = await Promise.allSettled([report.result(result('a')), report.result(result('b'))]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('gives up when the worker leaves', async () => {
    const { bus } = await collect();
    const leaving = new AbortController();
    const errors = Array.from({ length: 1000 }, () => new CogmeshError('unavailable', 'away'));
    const sent = new Report(failing(bus, errors), leaving.signal).result(result('a'));
    leaving.abort();
    await expect(sent).rejects.toMatchObject({ code: 'unavailable' });
  });
});
