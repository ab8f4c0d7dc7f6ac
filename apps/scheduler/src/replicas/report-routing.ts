/**
 * Which reports of agents are for this scheduler and which for the owners of other shards. An attempt names its shard; one of
 * before there were shards is looked up by its run.
 */
import { shardOfAttempt } from '@cogmesh/scheduling-core';

export interface Reported {
  readonly attemptId: string;
  readonly runId: string;
}

export interface Routed<R> {
  readonly here: readonly R[];
  /** By shard. */
  readonly elsewhere: ReadonlyMap<number, readonly R[]>;
}

export interface ReportRoutingOptions {
  /** Shards, each with its epoch. */
  readonly owned: () => ReadonlyMap<number, number>;
  /** In all. */
  readonly shards: number;
  /** Of runs that exist. */
  readonly shardsOfRuns: (runIds: readonly string[]) => Promise<ReadonlyMap<string, number>>;
}

export class ReportRouting {
  readonly #options: ReportRoutingOptions;

  constructor(options: ReportRoutingOptions) {
    this.#options = options;
  }

  async route<R extends Reported>(reports: readonly R[]): Promise<Routed<R>> {
    const { owned, shards } = this.#options;
    if (owned().size === shards) return { here: reports, elsewhere: new Map() };
    const shardOf = await this.#shardOf(reports);
    const here: R[] = [];
    const elsewhere = new Map<number, R[]>();
    for (const report of reports) {
      const shard = shardOf(report);
      if (shard === undefined || owned().has(shard)) here.push(report);
      else elsewhere.set(shard, [...(elsewhere.get(shard) ?? []), report]);
    }
    return { here, elsewhere };
  }

  /** Undefined for a run that nobody knows. */
  async #shardOf(reports: readonly Reported[]): Promise<(report: Reported) => number | undefined> {
    const unnamed = reports.filter(({ attemptId }) => shardOfAttempt(attemptId) === undefined);
    if (unnamed.length === 0) return ({ attemptId }) => shardOfAttempt(attemptId);
    const known = await this.#options.shardsOfRuns([...new Set(unnamed.map(({ runId }) => runId))]);
    return ({ attemptId, runId }) => shardOfAttempt(attemptId) ?? known.get(runId);
  }
}
