import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planShards, type ReplicaView } from './plan-shards.js';

const alive = (id: string) => ({ id, incarnation: `${id}-1`, leaseUntil: 2_000, sliced: 0 });
const dead = (id: string) => ({ ...alive(id), leaseUntil: 1_000 });
/** `owners`: of each shard, '' for nobody. All epochs are 1. */
const viewOf = (replicas: ReplicaView['replicas'], owners: readonly string[]): ReplicaView => ({
  now: 1_000,
  replicas,
  shards: owners.map((owner, shard) => ({ shard, epoch: 1, owner: owner === '' ? null : owner })),
});
const held = (...shards: number[]) => ({ held: new Map(shards.map((shard) => [shard, 1])), leaving: new Map() });
const taken = (plan: ReturnType<typeof planShards>) => plan.take.map(({ shard }) => shard);

it('takes everything when it is alone', () => {
  expect(taken(planShards('a', held(), viewOf([alive('a')], ['', '', 'gone', 'b'])))).toEqual([0, 1, 2, 3]);
});

it('takes nothing from the living, and a dead one’s part', () => {
  const owners = ['a', 'a', 'b', 'b'];
  expect(taken(planShards('a', held(0, 1), viewOf([alive('a'), alive('b')], owners)))).toEqual([]);
  expect(taken(planShards('a', held(0, 1), viewOf([alive('a'), dead('b')], owners)))).toEqual([2, 3]);
});

it('gives back what is more than its part', () => {
  const plan = planShards('a', held(0, 1, 2, 3), viewOf([alive('a'), alive('b')], ['a', 'a', 'a', 'a']));
  expect(plan).toEqual({ take: [], give: [2, 3], lost: [] });
});

it('takes its own of an earlier life before anything else', () => {
  const plan = planShards('a', held(), viewOf([alive('a'), alive('b')], ['b', '', 'a', 'a']));
  expect(taken(plan)).toEqual([2, 3]);
});

it('does not take again what is on its way back', () => {
  const own = { held: new Map([[0, 1]]), leaving: new Map([[1, 1]]) };
  expect(planShards('a', own, viewOf([alive('a'), alive('b')], ['a', 'a']))).toEqual({ take: [], give: [], lost: [] });
});

it('notices what it has lost', () => {
  const view = viewOf([alive('a'), alive('b')], ['a', 'b', 'b', 'a']);
  expect(planShards('a', held(0, 1, 3), view)).toEqual({ take: [], give: [], lost: [1] });
  const newer = { ...view, shards: view.shards.map((row) => ({ ...row, epoch: 2 })) };
  expect(planShards('a', held(0), newer).lost).toEqual([0]);
});

describe('replicas that plan in turn, each for itself', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const scenario = fc.record({
    shards: fc.integer({ min: 1, max: 40 }),
    living: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
    owners: fc.array(fc.constantFrom('', 'gone', ...names), { minLength: 40, maxLength: 40 }),
  });

  it('end with every shard owned by a living one, and evenly', () => {
    fc.assert(
      fc.property(scenario, ({ shards, living, owners }) => {
        let view = viewOf(living.map(alive), owners.slice(0, shards));
        const holds = (id: string) =>
          new Map(view.shards.filter(({ owner }) => owner === id).map(({ shard, epoch }) => [shard, epoch]));
        for (let round = 0; round < 3; round += 1) {
          for (const id of living) {
            const { take, give } = planShards(id, { held: holds(id), leaving: new Map() }, view);
            const taking = new Set(take.map(({ shard }) => shard));
            view = {
              ...view,
              shards: view.shards.map((row) => {
                if (taking.has(row.shard)) return { ...row, owner: id, epoch: row.epoch + 1 };
                return give.includes(row.shard) ? { ...row, owner: null } : row;
              }),
            };
          }
        }
        for (const { owner } of view.shards) expect(living).toContain(owner);
        for (const id of living) expect(holds(id).size).toBeLessThanOrEqual(Math.ceil(shards / living.length));
      }),
    );
  });
});
