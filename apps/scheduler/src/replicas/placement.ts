/** Where the runs of an organisation live, and what of that is decided for here. */
import { scopeNameOf, shardOf, shardsOf, type Sharding } from '@cogmesh/scheduling-core';

export interface PlacementOptions {
  /** Of the database. */
  readonly shards: number;
  /** Shards an organisation is spread over; 0 when it never was split. */
  readonly partsOf: (organisation: string) => number;
  readonly owns: (shard: number) => boolean;
}

export class Placement {
  readonly #options: PlacementOptions;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Of a run that is born now and is not nested. */
  shardOf(organisation: string, runId: string): number {
    return shardOf(organisation, runId, this.#shardingOf(organisation));
  }

  /** New runs of the organisation are all decided for here, and those it has: it was never split. */
  isWhole(organisation: string): boolean {
    const [home = 0] = shardsOf(organisation, this.#shardingOf(organisation));
    return this.#options.partsOf(organisation) === 0 && this.#options.owns(home);
  }

  /** Tasks of a scope, as `scopeKey` names it, may be in shards of several replicas. */
  isSpread(scope: string): boolean {
    const { kind, organisation } = scopeNameOf(scope);
    return kind === 'capability' || this.#options.partsOf(organisation) > 0;
  }

  /** Part of the organisation's shards that are decided for here; never nothing, for what is left of another split. */
  share(organisation: string): number {
    if (this.#options.partsOf(organisation) <= 1) return 1;
    const home = shardsOf(organisation, this.#shardingOf(organisation));
    return Math.max(1, home.filter(this.#options.owns).length) / home.length;
  }

  #shardingOf(organisation: string): Sharding {
    const { shards, partsOf } = this.#options;
    return { shards, splits: new Map([[organisation, partsOf(organisation)]]) };
  }
}
