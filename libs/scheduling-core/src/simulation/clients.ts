/**
 * Callers: they submit runs, change their minds, answer what is asked of them. Whoever gets no answer asks again, as people
 * do; whoever gets one may rely on it.
 */
import { CogmeshError } from '@cogmesh/errors';
import { newRun, type NewRun, type Submission } from '../engine/new-run.js';
import type { RunRow } from '../engine/rows.js';
import { dependenciesOf, planAdoption } from '../plan.js';
import { isOver } from './naive-model.js';
import type { Asked, Observations } from './observations.js';
import type { Replica } from './replica.js';
import type { RunSpec } from './scenario.js';
import type { SeededRandom } from './seeded-random.js';
import type { StoredState } from './stored-state.js';
import type { Violations } from './violations.js';
import type { VirtualClock } from './virtual-clock.js';

export interface ClientsOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly state: StoredState;
  readonly observed: Observations;
  readonly violations: Violations;
  readonly ageingMs: number;
  /** The scheduler that owns the shard now, as far as a caller can know. */
  readonly replicaOf: (shard: number) => Replica | undefined;
  readonly anyReplica: () => Replica | undefined;
  readonly note: (line: string) => void;
}

export interface Order {
  readonly runId: string;
  readonly organisation: string;
  readonly shard: number;
  readonly spec: RunSpec;
  /** Run that this one retries: what ended well there is taken over. */
  readonly origin?: string;
  /** Virtual milliseconds from the start of the seed. */
  readonly atMs: number;
}

/** A caller waits so long for an answer, milliseconds. */
const patienceMs = 4_000;
const againMs = 300;
/** Between two looks at what waits for an approval, milliseconds. */
const approvalsMs = 700;

export class Clients {
  readonly #options: ClientsOptions;
  readonly #confirmed = new Set<string>();
  readonly #orders: Order[];
  readonly #retried = new Set<string>();
  /** Nobody changes his mind after that, and who paused resumes. */
  #isCalm = false;

  constructor(options: ClientsOptions, orders: readonly Order[]) {
    this.#options = options;
    this.#orders = [...orders];
    for (const order of orders) options.clock.after(order.atMs, () => void this.#submit(order));
    options.clock.after(approvalsMs, () => this.#approve());
  }

  /** Runs that nobody has confirmed yet. */
  get unconfirmed(): number {
    return this.#orders.length - this.#confirmed.size;
  }

  /** Every run that was asked for, retries included. */
  get orders(): readonly Order[] {
    return this.#orders;
  }

  /** Somebody was told that the run is taken. */
  isConfirmed(runId: string): boolean {
    return this.#confirmed.has(runId);
  }

  calmDown(): void {
    this.#isCalm = true;
  }

  async #submit(order: Order): Promise<void> {
    const { clock, ageingMs, observed, violations, state, random, replicaOf, anyReplica } = this.#options;
    const { runId, organisation, shard, spec } = order;
    const asked = observed.asks(runId, 'submit');
    const submission: Submission = {
      runId, organisation, shard, plan: spec.plan, submittedBy: 'somebody', traceparent: '', callerTraceparent: '',
      idempotencyKey: '', requestSha256: '', ...this.#originOf(order),
    }; // prettier-ignore
    const isStray = random.chance(0.2);
    const find = (): Replica | undefined => (isStray ? anyReplica() : replicaOf(shard));
    await this.#until(find, (replica) => {
      const born: NewRun = newRun(submission, { now: clock.now(), ageingMs });
      return replica.submit(born);
    });
    asked.isGranted = true;
    this.#confirmed.add(runId);
    violations.require(
      state.runs.has(runId),
      'acknowledged after stored',
      () => `${runId} was taken and is not stored`,
    );
    for (const [what, chance] of [
      ['cancel', 0.1],
      ['pause', 0.12],
      ['priority', 0.15],
    ] as const) {
      if (random.chance(chance)) clock.after(random.between(50, 8_000), () => void this.#steer(order, what));
    }
  }

  #originOf({ origin, spec }: Order): Pick<Submission, 'origin'> {
    const stored = origin === undefined ? undefined : this.#options.state.runs.get(origin);
    if (!stored) return {};
    const ended = [...stored.tasks.values()].filter(({ itemIndex }) => itemIndex < 0);
    const tasks = ended.map(({ taskId: id, state, error }) => ({ id, state, error }));
    return { origin: { runId: stored.row.id, adopted: planAdoption(tasks, dependenciesOf(spec.plan.tasks)) } };
  }

  /** Now and then somebody wants a run that did not end well done again from where it failed. */
  #retry(order: Order): void {
    const { state, random } = this.#options;
    const run = state.runs.get(order.runId)?.row;
    if (!run || !isOver(run.state) || run.state === 'SUCCEEDED' || this.#retried.has(run.id)) return;
    this.#retried.add(run.id);
    if (this.#isCalm || order.origin !== undefined || !random.chance(0.4)) return;
    const again: Order = { ...order, runId: `${run.id}-again`, origin: run.id };
    this.#orders.push(again);
    void this.#submit(again);
  }

  async #steer(order: Order, what: 'cancel' | 'pause' | 'priority'): Promise<void> {
    const { clock, random } = this.#options;
    if (this.#isCalm) return;
    if (what === 'cancel' && random.chance(0.3)) void this.#ask(order, what);
    await this.#ask(order, what);
    if (what === 'pause') clock.after(random.between(500, 6_000), () => void this.#ask(order, 'resume'));
  }

  async #ask({ runId, shard }: Pick<Order, 'runId' | 'shard'>, what: Asked['what']): Promise<void> {
    const { observed, random } = this.#options;
    const asked = observed.asks(runId, what);
    const priority = random.below(10);
    const isGranted = await this.#until(
      () => this.#options.replicaOf(shard),
      (replica) => replica.steer(shard, { runId, what, priority }),
    );
    asked.isGranted = isGranted;
    if (isGranted) this.#verify(runId, what);
  }

  /** Nothing is answered before it is stored. */
  #verify(runId: string, what: Asked['what']): void {
    const { state, violations } = this.#options;
    const stored = state.runs.get(runId);
    const isStored =
      stored !== undefined &&
      granted(
        stored.row,
        what,
        stored.history.map(({ runState }) => runState),
      );
    violations.require(
      isStored,
      'acknowledged after stored',
      () => `${what} of ${runId}, which is ${stored?.row.state}`,
    );
  }

  /** Until somebody answers; false when the answer is no. */
  async #until(find: () => Replica | undefined, call: (replica: Replica) => Promise<unknown>): Promise<boolean> {
    const { clock } = this.#options;
    for (;;) {
      const replica = find();
      const answer = replica ? await this.#once(replica, call) : 'none';
      if (answer !== 'none') return answer === 'yes';
      await clock.sleep(againMs);
    }
  }

  #once(replica: Replica, call: (replica: Replica) => Promise<unknown>): Promise<'yes' | 'no' | 'none'> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const giveUp = clock.after(patienceMs, () => resolve('none'));
      call(replica).then(
        () => (giveUp(), resolve('yes')),
        (error: unknown) => {
          giveUp();
          const isRefusal =
            error instanceof CogmeshError && error.code === 'failed_precondition' && !error.details['fenced'];
          resolve(isRefusal ? 'no' : 'none');
        },
      );
    });
  }

  /** Somebody looks at what waits for people, now and then, and answers most of it. */
  #approve(): void {
    const { clock, random, state } = this.#options;
    clock.after(approvalsMs, () => this.#approve());
    for (const order of [...this.#orders]) this.#retry(order);
    for (const { row, tasks } of state.runs.values()) {
      if (row.state === 'PAUSED' && this.#isCalm && row.parentRunId === null) {
        void this.#ask({ runId: row.id, shard: row.shard }, 'resume');
      }
      if (isOver(row.state) || row.state === 'PAUSED') continue;
      for (const task of tasks.values()) {
        if (task.uses !== 'approval' || task.state !== 'WAITING' || !random.chance(0.5)) continue;
        void this.#answer(row, task.taskId);
      }
    }
  }

  async #answer({ id: runId, shard }: RunRow, taskId: string): Promise<void> {
    const { observed, random } = this.#options;
    const approved = random.chance(0.85);
    const by = random.pick(['ada', 'bob', 'cleo']);
    const asked = observed.asks(runId, approved ? 'approve' : 'refuse');
    asked.isGranted = await this.#until(
      () => this.#options.replicaOf(shard),
      (replica) => replica.answer(shard, { runId, taskId, by, approved }),
    );
  }
}

function granted({ state }: RunRow, what: Asked['what'], told: readonly (string | undefined)[]): boolean {
  if (what === 'cancel') return isOver(state);
  if (what === 'pause') return told.includes('PAUSED') || isOver(state);
  // A pause that was asked for twice may be granted twice.
  if (what === 'resume') return state !== 'PAUSED' || told.filter((each) => each === 'PAUSED').length > 1;
  return true;
}
