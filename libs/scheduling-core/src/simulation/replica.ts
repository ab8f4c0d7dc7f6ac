/**
 * One scheduler: a process with an engine and all its parts over the common store. It asks for shards, owns what it is
 * given, reads its state anew after any doubt, listens to the reports of its shards and publishes its work.
 */
import { CogmeshError } from '@cogmesh/errors';
import { cancelRun } from '../engine/cancel-run.js';
import { answerApproval } from '../engine/approvals.js';
import type { NewRun } from '../engine/new-run.js';
import type { Whose } from './stored-state.js';
import { pauseRun, resumeRun, setPriority } from '../engine/steer-run.js';
import type { Ownership } from '../engine/ports.js';
import { renewLeases } from '../engine/leases.js';
import { takeBack } from '../engine/take-back.js';
import type { Asked } from './observations.js';
import type { SimulatedProcess } from './process.js';
import { buildParts, type Parts, type PartsOptions } from './replica-parts.js';
import { resultsQueueOf, startedQueueOf, type SimulatedMessage } from './messages.js';
import { ShardSlices } from './shard-slices.js';
import type { ShardTable } from './shard-table.js';

export interface ReplicaOptions extends Omit<PartsOptions, 'owned' | 'slices'> {
  readonly table: ShardTable;
  /** Answers when the store has done what is asked of the shard table; rejects when it is down. */
  readonly reach: <T>(ask: () => T) => Promise<T>;
  readonly submitTo: (born: NewRun, epoch: number | undefined) => Promise<Whose>;
  /** Runs of these shards that their owner is asked to take on. */
  readonly asked: (shards: readonly number[]) => Promise<readonly string[]>;
  readonly note: (line: string) => void;
}

/** Between two renewals of its shards, milliseconds. */
const renewMs = 1_000;

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #parts: Parts;
  readonly #leaves = new Map<number, () => void>();
  /** What it read last is not what it owns, or may not be what is stored. */
  #isInDoubt = true;
  #isStopping = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const shardSlices = new ShardSlices(options.table.shards.length, () => this.#parts.engine.owned.keys());
    this.#parts = buildParts({ ...options, slices: shardSlices, owned: () => this.#owned() });
    this.#parts.engine.listen({ doubted: () => (this.#isInDoubt = true), restored: () => this.#restored() });
    this.#renew();
  }

  get name(): string {
    return this.#options.process.name;
  }

  get process(): SimulatedProcess {
    return this.#options.process;
  }

  get parts(): Parts {
    return this.#parts;
  }

  /** It can be asked. */
  get isServing(): boolean {
    return this.process.isRunning && !this.#isStopping;
  }

  owns(shard: number): boolean {
    return this.#parts.engine.owns(shard);
  }

  /** Answers which of the attempts nobody wants any more. */
  renew(attemptIds: readonly string[]): readonly string[] {
    const unwanted = renewLeases(this.#parts.engine, attemptIds, this.#options.settings.leaseMs);
    return this.#options.mutant?.stopsNothing ? [] : unwanted;
  }

  /** Others are there now: work may go to them, and unstarted work of those that are gone is taken back. */
  lookAtAgents(isGone: (agentId: string) => boolean): void {
    const { credits, engine, dispatcher, limits } = this.#parts;
    const gone = new Set([...credits.agents()].filter(isGone));
    const held = credits.heldBy(gone).map((attemptId) => ({ attemptId }));
    // What fails now is seen again the next time.
    if (held.length > 0) takeBack(engine, held, 'agent_gone').catch(() => undefined);
    // The store may be down; what is known holds then.
    limits.load().catch(() => undefined);
    dispatcher.wake();
  }

  /** Of a shard that may be anybody's. */
  async submit(born: NewRun): Promise<void> {
    const { engine, queued } = this.#parts;
    const { organisation, shard } = born.run;
    const store = async (): Promise<{ readonly whose: Whose; readonly open: number }> => {
      const epoch = engine.owned.get(shard);
      const whose = await this.#options.submitTo(born, epoch).catch((error: unknown) => {
        // It may be stored, and memory would not know of it.
        if (epoch !== undefined) engine.doubt(error);
        throw error;
      });
      return { whose, open: whose === 'mine' ? born.tasks.length : 0 };
    };
    const earlier = (): Promise<undefined> => Promise.resolve(undefined);
    const tasks = born.tasks.length;
    const handedIn = engine.residents.expect(born.run.id);
    try {
      const { whose } = await queued.admit({ organisation, tasks, maxQueued: 0, earlier, store });
      if (whose === 'mine') await this.#adopt(born);
    } finally {
      handedIn();
    }
  }

  /** What it takes over from another run is not in the born rows: only the store has it whole. */
  async #adopt(born: NewRun): Promise<void> {
    const { engine } = this.#parts;
    if (born.submission.origin === undefined) return engine.adopt(born);
    await engine.adoptStored(born.run.id);
  }

  /** Takes on what others have stored for its shards. */
  async #takeOn(): Promise<void> {
    const { engine } = this.#parts;
    const asked = await this.#options.asked([...engine.owned.keys()]);
    for (const runId of asked) await engine.adoptStored(runId);
  }

  /** Somebody else decides for the shard now: the caller asks there. */
  #requireShard(shard: number): void {
    if (!this.owns(shard)) throw new CogmeshError('unavailable', `shard ${shard} has moved`);
  }

  async steer(shard: number, { runId, what, priority }: Steering): Promise<void> {
    this.#requireShard(shard);
    await this.#steer({ runId, what, priority });
    this.#requireShard(shard);
  }

  async #steer({ runId, what, priority }: Steering): Promise<void> {
    const { engine } = this.#parts;
    if (what === 'pause') return pauseRun(engine, runId, { by: 'somebody', reason: '' });
    if (what === 'resume') return resumeRun(engine, runId, { by: 'somebody' });
    if (what === 'priority') return setPriority(engine, runId, { taskId: undefined, priority, by: 'somebody' });
    await engine.transact([runId], (unit) => {
      const run = unit.find(runId);
      if (run) cancelRun(unit, run, '');
    });
  }

  async answer(shard: number, { runId, taskId, by, approved }: ApprovalAnswer): Promise<void> {
    this.#requireShard(shard);
    const answer = { approved, by, issuer: 'here', roles: [], comment: '', data: null };
    await this.#parts.engine.transact([runId], (unit, outcomes) => {
      const task = unit.task({ runId, taskId, itemIndex: -1 });
      if (task) answerApproval(unit, outcomes, { task, answer });
    });
    this.#requireShard(shard);
  }

  /** Hands everything over: nobody has to wait for a lease. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#leaveAll();
    await this.#parts.stop();
    const { table, reach } = this.#options;
    await reach(() => table.release(this.name)).catch(() => undefined);
    this.process.kill();
  }

  /** Everything it knows is gone, whatever it was doing. */
  kill(): void {
    this.process.kill();
    this.#leaveAll();
  }

  #leaveAll(): void {
    for (const leave of this.#leaves.values()) leave();
    this.#leaves.clear();
  }

  #renew(): void {
    if (this.#isStopping) return;
    this.process.clock.after(renewMs, () => this.#renew());
    void this.#look();
    // What cannot be taken on now is asked for again.
    this.#takeOn().catch(() => undefined);
  }

  /** Reads memory when it owns other shards than before. */
  async #look(): Promise<void> {
    const { engine, keeper } = this.#parts;
    if (this.#isInDoubt && engine.generation > 0) return;
    const owned = await this.#hold(false).catch(() => undefined);
    if (owned === undefined || this.#isStopping || isSameOwnership(owned, engine.owned)) return;
    await keeper.read();
  }

  #hold(anew: boolean): Promise<Ownership> {
    const { table, reach, process } = this.#options;
    return reach(() => table.hold(this.name, process.clock.now(), anew));
  }

  /** After a doubt under new epochs, so that nothing which was sent before arrives later. */
  async #owned(): Promise<Ownership> {
    const owned = await this.#hold(this.#isInDoubt);
    for (const [shard, leave] of this.#leaves) {
      if (owned.has(shard)) continue;
      leave();
      this.#leaves.delete(shard);
    }
    return owned;
  }

  /** Reports of a shard that memory does not know yet would be taken for those of strangers. */
  #restored(): void {
    const { owned } = this.#parts.engine;
    this.#isInDoubt = false;
    for (const shard of owned.keys()) if (!this.#leaves.has(shard)) this.#leaves.set(shard, this.#listen(shard));
    this.#options.note(`${this.name} owns ${[...owned.keys()].join()}`);
  }

  #listen(shard: number): () => void {
    const { bus, process } = this.#options;
    const handler = (message: SimulatedMessage): Promise<void> => this.#parts.hear(message);
    const leaves = [startedQueueOf(shard), resultsQueueOf(shard)].map((name) =>
      bus.consume(process, name, { handler }),
    );
    return () => leaves.forEach((leave) => leave());
  }
}

export interface Steering {
  readonly runId: string;
  readonly what: Asked['what'];
  readonly priority: number;
}

export interface ApprovalAnswer {
  readonly runId: string;
  readonly taskId: string;
  readonly by: string;
  readonly approved: boolean;
}

function isSameOwnership(a: Ownership, b: Ownership): boolean {
  return a.size === b.size && [...a].every(([shard, epoch]) => b.get(shard) === epoch);
}
