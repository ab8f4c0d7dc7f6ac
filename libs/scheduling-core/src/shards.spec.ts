import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attemptIdOf, maxShards, shardOf, shardOfAttempt, shardsOf, stableHash } from './shards.js';

const none = new Map<string, number>();
const runs = (count: number) => Array.from({ length: count }, (_, index) => `run_${index}`);

it('hashes as documented, for ever', () => {
  expect(stableHash('')).toBe(0xe3b0c442);
  expect(stableHash('abc')).toBe(0xba7816bf);
  expect(stableHash('é')).toBe(Number.parseInt('4a99557e', 16));
  expect(shardOf('acme', 'run_1', { shards: 16, splits: none })).toBe(stableHash('acme') % 16);
});

it('spreads organisations evenly', () => {
  const counts = Array<number>(16).fill(0);
  for (let index = 0; index < 16_000; index += 1) {
    const shard = shardOf(`organisation-${index}`, 'run', { shards: 16, splits: none });
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  // Five standard deviations of a fair draw.
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(155);
});

it('keeps all runs of an organisation together that is not split', () => {
  const shards = new Set(runs(100).map((id) => shardOf('acme', id, { shards: 16, splits: none })));
  expect(shards.size).toBe(1);
});

it('spreads a split organisation evenly over as many shards as it has parts', () => {
  const sharding = { shards: 16, splits: new Map([['acme', 4]]) };
  const counts = new Map<number, number>();
  for (const id of runs(4_000)) {
    const shard = shardOf('acme', id, sharding);
    counts.set(shard, (counts.get(shard) ?? 0) + 1);
  }
  expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual(shardsOf('acme', sharding).toSorted((a, b) => a - b));
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(140);
});

describe('whatever the sharding', () => {
  const sharding = fc.record({
    shards: fc.integer({ min: 1, max: maxShards }),
    splits: fc.dictionary(fc.string(), fc.integer({ min: 1, max: 300 })).map((parts) => new Map(Object.entries(parts))),
  });

  it('parts have different shards, of which every run has one', () => {
    fc.assert(
      fc.property(sharding, fc.string(), fc.integer({ min: 1, max: 300 }), fc.string(), (given, name, parts, run) => {
        const split = { ...given, splits: new Map(given.splits).set(name, parts) };
        const shards = shardsOf(name, split);
        expect(new Set(shards).size).toBe(Math.min(parts, split.shards));
        for (const shard of shards) expect(shard >= 0 && shard < split.shards).toBe(true);
        expect(shards).toContain(shardOf(name, run, split));
      }),
    );
  });

  it('an attempt names its shard', () => {
    const random = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: maxShards - 1 }), random, (shard, text) => {
        expect(shardOfAttempt(attemptIdOf(shard, text))).toBe(shard);
      }),
    );
  });
});

it.each([
  '',
  'x',
  '0123456789abcdef0123456789abcdef',
  '-0123456789abcdef0123456789abcdef',
  'abc-0123',
  'A-0123456789abcdef0123456789abcdef',
])('reads no shard from %j', (id) => expect(shardOfAttempt(id)).toBeUndefined());
