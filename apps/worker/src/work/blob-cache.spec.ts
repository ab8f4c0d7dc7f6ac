import { describe, expect, it, vi } from 'vitest';
import { BlobCache, type BlobRequest } from './blob-cache.js';

const request = (change: Partial<BlobRequest> = {}): BlobRequest => ({
  organisation: 'acme',
  runId: 'run_1',
  blobId: 'blob_1',
  grantJws: 'grant',
  ...change,
});

function world(options: { maxBytes?: number; lingerMs?: number; fail?: boolean } = {}) {
  const fetched: BlobRequest[] = [];
  const dropped: string[] = [];
  const state = { fail: options.fail ?? false };
  const cache = new BlobCache({
    maxBytes: options.maxBytes ?? 100,
    lingerMs: options.lingerMs ?? 60_000,
    onDropped: (key) => dropped.push(key),
    fetch: (wanted) => {
      fetched.push(wanted);
      return state.fail ? Promise.reject(new Error('away')) : Promise.resolve(new Uint8Array(40));
    },
  });
  return { cache, fetched, dropped, state };
}

describe('BlobCache', () => {
  it('fetches once for the tasks of one run', async () => {
    const { cache, fetched } = world();
    const [a, b] = await Promise.all([cache.acquire(request()), cache.acquire(request())]);
    expect(a?.bytes).toBe(b?.bytes);
    cache.release(a.key);
    await cache.acquire(request());
    expect(fetched).toHaveLength(1);
  });

  it.each([
    ['another organisation', { organisation: 'globex' }],
    ['another run', { runId: 'run_2' }],
  ])('shares nothing with %s', async (_, change) => {
    const { cache, fetched } = world();
    const mine = await cache.acquire(request());
    const theirs = await cache.acquire(request(change));
    expect(fetched).toHaveLength(2);
    expect(theirs.key).not.toBe(mine.key);
    expect(theirs.bytes).not.toBe(mine.bytes);
  });

  it('drops bytes a while after their last task, and tells', async () => {
    const { cache, dropped } = world({ lingerMs: 1 });
    const { key } = await cache.acquire(request());
    await cache.acquire(request());
    cache.release(key);
    expect(dropped).toEqual([]);
    cache.release(key);
    await vi.waitFor(() => expect(dropped).toEqual([key]));
  });

  it('keeps within its bound by dropping what nobody uses, oldest first', async () => {
    const { cache, dropped } = world({ maxBytes: 100 });
    const keys = [];
    for (const blobId of ['blob_1', 'blob_2', 'blob_3']) {
      const { key } = await cache.acquire(request({ blobId }));
      keys.push(key);
      cache.release(key);
    }
    expect(dropped).toEqual([keys[0]]);
  });

  it('never drops what a task is using', async () => {
    const { cache, dropped } = world({ maxBytes: 10 });
    await cache.acquire(request());
    await cache.acquire(request({ blobId: 'blob_2' }));
    expect(dropped).toEqual([]);
  });

  it('forgets a failed fetch, so that the next task tries again', async () => {
    const { cache, fetched, state } = world({ fail: true });
    await expect(cache.acquire(request())).rejects.toThrow('away');
    state.fail = false;
    expect((await cache.acquire(request())).bytes).toHaveLength(40);
    expect(fetched).toHaveLength(2);
  });
});
