import { shardsOf } from '@cogmesh/scheduling-core';
import { expect, it } from 'vitest';
import { Placement } from './placement.js';

const parts: Readonly<Record<string, number>> = { big: 4, once: 1 };
const partsOf = (organisation: string) => parts[organisation] ?? 0;
const big = shardsOf('big', { shards: 16, splits: new Map([['big', 4]]) });
const placementOf = (...owned: number[]) =>
  new Placement({ shards: 16, partsOf, owns: (shard) => owned.includes(shard) });

it('sends every run of an organisation to one shard unless it is split', () => {
  const placement = placementOf();
  const runs = Array.from({ length: 50 }, (_, index) => `run_${index}`);
  expect(new Set(runs.map((id) => placement.shardOf('small', id))).size).toBe(1);
  expect(new Set(runs.map((id) => placement.shardOf('big', id)))).toEqual(new Set(big));
});

it('gives the part of a split organisation that is owned, and never nothing', () => {
  expect(placementOf(...big).share('big')).toBe(1);
  expect(placementOf(big[0] ?? 0, big[2] ?? 0).share('big')).toBe(0.5);
  expect(placementOf().share('big')).toBe(0.25);
  expect(placementOf().share('small')).toBe(1);
});

it('spreads capabilities always, organisations and their groups when they were ever split', () => {
  const placement = placementOf();
  const spread = ['capability script', 'organisation big', 'group big g', 'organisation once', 'group once g'];
  expect(spread.every((scope) => placement.isSpread(scope))).toBe(true);
  expect(['organisation small', 'group small g'].some((scope) => placement.isSpread(scope))).toBe(false);
});

it('knows an organisation whole that was never split and whose shard is owned', () => {
  const [home = 0] = shardsOf('small', { shards: 16, splits: new Map() });
  expect(placementOf(home).isWhole('small')).toBe(true);
  expect(placementOf().isWhole('small')).toBe(false);
  expect(placementOf(...Array.from({ length: 16 }, (_, shard) => shard)).isWhole('once')).toBe(false);
});
