/** What this replica has work for: the weights of the organisations whose tasks wait, by what those tasks would take up. */
import { sharedQueueOf } from '@cogmesh/enforcement';
import type { Candidate } from '@cogmesh/routing-core';
import { needOf, scopesOf, type LaneName, type Limits, type ReadyHeads } from '@cogmesh/scheduling-core';
import { agentKey, flightKey, queueKey, rateKey } from './slice-keys.js';

export interface DemandSources {
  readonly heads: Pick<ReadyHeads, 'names'>;
  readonly limits: Pick<Limits, 'find' | 'blocks'>;
  readonly directory: { candidates(need: string): readonly Candidate[] };
  /** Part of an organisation that is decided for here. */
  readonly share: (organisation: string) => number;
}

/** Several lanes of one organisation count once. */
export function sliceDemand({ heads, limits, directory, share }: DemandSources): Map<string, number> {
  const demand = new Map<string, Map<string, number>>();
  for (const lane of heads.names()) {
    if (limits.blocks(scopedOf(lane))?.obstacle.reason === 'paused') continue;
    const { organisation } = lane;
    const granted = limits.find({ kind: 'organisation', organisation, name: organisation })?.limits.weight ?? 0;
    const weight = Math.max(1, granted) * share(organisation);
    for (const key of keysOf(lane, directory)) {
      const weights = demand.get(key);
      if (weights) weights.set(organisation, weight);
      else demand.set(key, new Map([[organisation, weight]]));
    }
  }
  return new Map([...demand].map(([key, weights]) => [key, sumOf(weights.values())]));
}

function keysOf(lane: LaneName, directory: DemandSources['directory']): string[] {
  const scopes = scopesOf(scopedOf(lane)).flatMap((scope) => [flightKey(scope), rateKey(scope)]);
  const places = directory
    .candidates(needOf(lane))
    .flatMap(({ agent, capability: { name } }) => [agentKey(agent.id, name), queueKey(sharedQueueOf(name))]);
  return [...scopes, ...places];
}

function scopedOf({ organisation, uses, concurrencyGroup }: LaneName) {
  return { organisation, group: uses, concurrencyGroup: concurrencyGroup ?? undefined };
}

function sumOf(weights: Iterable<number>): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return sum;
}
