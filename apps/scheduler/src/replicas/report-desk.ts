/**
 * Where reports of agents are decided on: here for attempts of our shards, by the owner for those of others, who finds them as
 * commands. Both are durable before a report is acknowledged. A report that was ignored while its shard went to another
 * scheduler is the other's to judge.
 */
import { create } from '@bufbuild/protobuf';
import { workV1 } from '@cogmesh/contracts';
import { shardOfAttempt, type Accepted, type Engine, type Intake, type ProgressWords } from '@cogmesh/scheduling-core';
import { progressReport, resultReport, startedReport, traceResults } from '../engine/work-reports.js';
import type { CommandRouter } from './command-router.js';
import type { Reported, ReportRouting } from './report-routing.js';
import { packed, type SchedulerCommands } from './scheduler-commands.js';

export interface ReportDeskOptions {
  readonly engine: Pick<Engine, 'owned'>;
  readonly intake: Intake;
  readonly words: ProgressWords;
  readonly routing: ReportRouting;
  readonly commands: () => Pick<CommandRouter<SchedulerCommands>, 'command' | 'leave'>;
  /** Told of results as they come, whether they count or not. */
  readonly onArrived: (results: readonly workV1.Result[]) => void;
}

type StartedReports = Pick<workV1.StartedBatch, 'started' | 'progress'>;

export class ReportDesk {
  readonly #options: ReportDeskOptions;

  constructor(options: ReportDeskOptions) {
    this.#options = options;
  }

  /** Resolves when everything is stored, as what it meant or as a command. */
  async started({ started, progress }: StartedReports): Promise<Accepted> {
    const { routing } = this.#options;
    const [begun, words] = [await routing.route(started), await routing.route(progress)];
    await this.#leaveStarted(begun.elsewhere, words.elsewhere);
    return this.startedHere({ started: [...begun.here], progress: [...words.here] });
  }

  async results(results: readonly workV1.Result[]): Promise<Accepted> {
    const { here, elsewhere } = await this.#options.routing.route(results);
    await this.#leaveResults(elsewhere);
    return this.resultsHere(here);
  }

  /** Of attempts of our shards. */
  async startedHere({ started, progress }: StartedReports): Promise<Accepted> {
    const { intake, words } = this.#options;
    const stays = this.#watch();
    const accepted = await intake.started(started.map(startedReport));
    await words.tell(progress.map(progressReport));
    if (accepted.ignored > 0) await this.#leaveStarted(gone(started, stays), new Map());
    return accepted;
  }

  async resultsHere(results: readonly workV1.Result[]): Promise<Accepted> {
    const { intake, onArrived } = this.#options;
    const startMs = Date.now();
    const stays = this.#watch();
    onArrived(results);
    const accepted = await intake.results(results.map(resultReport));
    traceResults(accepted, startMs);
    if (accepted.ignored > 0) await this.#leaveResults(gone(results, stays));
    return accepted;
  }

  /** Whether a shard was ours all the time. */
  #watch(): (shard: number) => boolean {
    const { engine } = this.#options;
    const before = engine.owned;
    return (shard) => before.has(shard) && engine.owned.get(shard) === before.get(shard);
  }

  #leaveStarted(
    started: ReadonlyMap<number, readonly workV1.Started[]>,
    progress: ReadonlyMap<number, readonly workV1.Progress[]>,
  ): Promise<void> {
    const commands = this.#options.commands();
    const shards = [...new Set([...started.keys(), ...progress.keys()])];
    return commands.leave(
      shards.map((shard) => {
        const batch = { started: [...(started.get(shard) ?? [])], progress: [...(progress.get(shard) ?? [])] };
        return commands.command(
          shard,
          'started',
          packed(workV1.StartedBatchSchema, create(workV1.StartedBatchSchema, batch)),
        );
      }),
    );
  }

  #leaveResults(results: ReadonlyMap<number, readonly workV1.Result[]>): Promise<void> {
    const commands = this.#options.commands();
    return commands.leave(
      [...results].map(([shard, of]) => {
        const batch = create(workV1.ResultBatchSchema, { results: [...of] });
        return commands.command(shard, 'results', packed(workV1.ResultBatchSchema, batch));
      }),
    );
  }
}

function gone<R extends Reported>(reports: readonly R[], stays: (shard: number) => boolean): Map<number, R[]> {
  const moved = new Map<number, R[]>();
  for (const report of reports) {
    const shard = shardOfAttempt(report.attemptId);
    if (shard === undefined || stays(shard)) continue;
    moved.set(shard, [...(moved.get(shard) ?? []), report]);
  }
  return moved;
}
