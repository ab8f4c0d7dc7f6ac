/** Which shards a replica takes and which it gives back, from what the database says. Pure; every replica plans for itself. */

export interface ShardRow {
  readonly shard: number;
  readonly epoch: number;
  /** Id of a replica; null when nobody's. */
  readonly owner: string | null;
}

export interface ReplicaRow {
  readonly id: string;
  readonly incarnation: string;
  /** By the database's clock, milliseconds. */
  readonly leaseUntil: number;
  /** 1: it starts nothing of what is limited as a whole beyond its slices. */
  readonly sliced: number;
}

export interface ReplicaView {
  /** By the database's clock, milliseconds. */
  readonly now: number;
  readonly replicas: readonly ReplicaRow[];
  /** All shards, in order. */
  readonly shards: readonly ShardRow[];
}

export interface ShardPlan {
  /** Nobody's, a dead replica's, or our own of an earlier life. */
  readonly take: readonly ShardRow[];
  /** Held beyond our part. */
  readonly give: readonly number[];
  /** Held, but somebody else's now. */
  readonly lost: readonly number[];
}

/** Replicas whose lease has not run out. */
export function livingReplicas({ now, replicas }: ReplicaView): string[] {
  return replicas.filter(({ leaseUntil }) => leaseUntil > now).map(({ id }) => id);
}

export interface OwnShards {
  /** Worked on, with the epoch each was taken by. */
  readonly held: ReadonlyMap<number, number>;
  /** On their way back: still ours in the database. */
  readonly leaving: ReadonlyMap<number, number>;
}

export function planShards(id: string, { held, leaving }: OwnShards, view: ReplicaView): ShardPlan {
  const living = new Set([...livingReplicas(view), id]);
  const most = Math.ceil(view.shards.length / living.size);
  const isHeld = ({ shard, epoch, owner }: ShardRow): boolean => owner === id && held.get(shard) === epoch;
  const kept = view.shards.filter(isHeld);
  const isEarlier = (row: ShardRow): boolean => row.owner === id && !isHeld(row) && !leaving.has(row.shard);
  const earlier = view.shards.filter(isEarlier).slice(0, most);
  const free = view.shards.filter(({ owner }) => owner === null || !living.has(owner));
  const room = most - kept.length - earlier.length;
  const keptShards = new Set(kept.map(({ shard }) => shard));
  return {
    take: [...earlier, ...free.slice(0, Math.max(0, room))],
    give: room < 0 ? kept.slice(room).map(({ shard }) => shard) : [],
    lost: [...held.keys()].filter((shard) => !keptShards.has(shard)),
  };
}
