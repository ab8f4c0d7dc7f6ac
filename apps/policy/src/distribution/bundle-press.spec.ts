import type { BundleClaims, BundleDeltaClaims } from '@cogmesh/identity';
import { describe, expect, it } from 'vitest';
import type { Page } from '../policy-book.js';
import { BundlePress } from './bundle-press.js';
import { News } from './news.js';

let nowMs = 0;
let signed = 0;

/** Readable in place of signed: what a bundle says is what the tests look at. */
const signer = {
  signBundle: async (claims: BundleClaims) => JSON.stringify({ ...claims, serial: (signed += 1) }),
  signBundleDelta: async (claims: BundleDeltaClaims) => JSON.stringify(claims),
};
const press = () => new BundlePress({ signer, ttlMs: 1_000, now: () => nowMs });
const policies = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `p${String(i)}`, description: 'x'.repeat(1_000) }));
const page = (epoch: number, count: number, earlier: Page['earlier'] = []): Page => ({
  epoch,
  document: { policies: policies(count), roles: {}, grants: [] },
  policies: undefined,
  earlier,
});
const none = new Map<string, number>();

describe('the bundle press', () => {
  it('signs a bundle once, and anew when half of its life is over', async () => {
    const one = press();
    const pages = new Map([['acme', page(1, 1)]]);
    const first = await one.since(none, pages, false);
    nowMs = 499;
    expect(await one.since(none, pages, false)).toEqual(first);
    nowMs = 500;
    const second = await one.since(none, pages, false);
    expect(second).not.toEqual(first);
    expect(JSON.parse(second.bundles[0] ?? '')).toMatchObject({ notBeforeMs: 500, expiresAtMs: 1_500 });
  });

  it('sends no more than fits one answer, and the rest to who holds that', async () => {
    const one = press();
    const pages = new Map(Array.from({ length: 6 }, (_, i) => [`org-${String(i)}`, page(1, 900)] as const));
    const first = await one.since(none, pages, false);
    expect(first.bundles.length).toBeGreaterThan(0);
    expect(first.bundles.length).toBeLessThan(6);
    const held = new Map(first.bundles.map((jws) => [(JSON.parse(jws) as BundleClaims).organisation, 1]));
    const rest = await one.since(held, pages, false);
    expect(first.bundles.length + rest.bundles.length).toBe(6);
  });

  it('tells a small change as a delta to who holds an earlier epoch and can take one', async () => {
    const before = page(1, 50);
    const pages = new Map([['acme', page(2, 51, [before])]]);
    const known = new Map([['acme', 1]]);
    const { bundles, deltas } = await press().since(known, pages, true);
    expect(bundles).toEqual([]);
    expect(JSON.parse(deltas[0] ?? '')).toMatchObject({ base: 1, epoch: 2, members: {}, removed: [] });
    expect(deltas[0]?.length).toBeLessThan(3_000);
    expect((await press().since(known, pages, false)).bundles).toHaveLength(1);
    expect((await press().since(new Map([['acme', 0]]), pages, true)).bundles).toHaveLength(1);
  });

  it('sends the whole where the change is as long, or its base is forgotten', async () => {
    const known = new Map([['acme', 1]]);
    const large = new Map([['acme', page(2, 50, [page(1, 1)])]]);
    expect((await press().since(known, large, true)).bundles).toHaveLength(1);
    const forgotten = new Map([['acme', page(9, 50, [page(8, 50)])]]);
    expect((await press().since(known, forgotten, true)).bundles).toHaveLength(1);
  });
});

describe('news', () => {
  it('end every wait, and none begins once it is closed', async () => {
    const news = new News();
    let heard = 0;
    const stop = news.follow(() => (heard += 1));
    const waits = [news.wait(600_000), news.wait(600_000)];
    news.changed();
    await Promise.all(waits);
    stop();
    const last = news.wait(600_000);
    news.close();
    await last;
    await news.wait(600_000);
    expect(heard).toBe(1);
  });
});
