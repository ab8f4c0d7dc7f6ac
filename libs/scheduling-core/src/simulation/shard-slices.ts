import type { Slices } from '../engine/dispatch-ports.js';

/** Each shard's part of what is global, for the shards that are owned: together never more than the whole. */
export class ShardSlices implements Slices {
  readonly #shards: number;
  readonly #owned: () => Iterable<number>;

  constructor(shards: number, owned: () => Iterable<number>) {
    this.#shards = shards;
    this.#owned = owned;
  }

  inFlight(scope: string, whole: number): number {
    return scope.startsWith('capability') ? this.#part(whole) : whole;
  }

  rate(_scope: string, whole: number): number {
    return whole;
  }

  credits(_agentId: string, _capability: string, whole: number): number {
    return this.#part(whole);
  }

  /** No organisation is split here. */
  share(): number {
    return 1;
  }

  #part(whole: number): number {
    let part = 0;
    for (const shard of this.#owned())
      part += Math.floor(whole / this.#shards) + (shard < whole % this.#shards ? 1 : 0);
    return part;
  }
}
