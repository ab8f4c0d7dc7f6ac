/**
 * Who owns which shard, as rows of the store would say: a lease with an end and an epoch that grows with every owner. A
 * scheduler asks again and again; what it does not renew in time goes to whoever asks next.
 */
import type { Ownership } from '../engine/ports.js';
import type { StoredState } from './stored-state.js';

interface Lease {
  owner: string | undefined;
  until: number;
}

/** Longer than a scheduler needs between two renewals, shorter than anybody wants to wait for a take-over, milliseconds. */
export const shardLeaseMs = 5_000;

export class ShardTable {
  readonly #state: StoredState;
  readonly #leases: Lease[];
  readonly #seen = new Map<string, number>();

  constructor(state: StoredState, shards: number) {
    this.#state = state;
    this.#leases = Array.from({ length: shards }, () => ({ owner: undefined, until: 0 }));
  }

  get shards(): readonly number[] {
    return this.#leases.map((_, shard) => shard);
  }

  /** The newest owner, whether its lease has run out or not. */
  ownerOf(shard: number): string | undefined {
    return this.#leases[shard]?.owner;
  }

  /**
   * Renews what `name` owns, hands over what is more than its share, takes what nobody owns. `anew`: under new epochs, which
   * voids whatever it has sent before.
   */
  hold(name: string, now: number, anew: boolean): Ownership {
    this.#seen.set(name, now);
    const others = [...this.#seen].filter(([, at]) => now - at < shardLeaseMs).length;
    const share = Math.ceil(this.#leases.length / Math.max(1, others));
    let owned = 0;
    for (const [shard, lease] of this.#leases.entries()) {
      const isMine = lease.owner === name;
      if (owned < share && (isMine || lease.owner === undefined || lease.until <= now)) {
        if (!isMine || anew) this.#state.takeOver(shard);
        lease.owner = name;
        lease.until = now + shardLeaseMs;
        owned += 1;
      } else if (isMine) lease.owner = undefined;
    }
    return this.ownedBy(name);
  }

  ownedBy(name: string): Ownership {
    const mine = [...this.#leases.entries()].filter(([, { owner }]) => owner === name);
    return new Map(mine.map(([shard]) => [shard, this.#state.epoch(shard)]));
  }

  /** Everything at once, for a clean stop. */
  release(name: string): void {
    this.#seen.delete(name);
    for (const lease of this.#leases) if (lease.owner === name) lease.owner = undefined;
  }
}
