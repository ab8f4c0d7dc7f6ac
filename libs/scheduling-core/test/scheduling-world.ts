/** Everything one scheduler decides with, as the product puts it together, over a store in memory: one agent that does what it is told. */
import { assembleScheduling, type Scheduling, type SchedulingSettings } from '../src/engine/scheduling.js';
import type { Publication } from '../src/engine/dispatch-ports.js';
import type { Effects } from '../src/engine/effects.js';
import { newRun } from '../src/engine/new-run.js';
import type { Suspicion } from '../src/engine/sweep.js';
import { defaultRunLimits, defaultTaskDefaults } from '../src/limits.js';
import { parseRun } from '../src/parse/parse-run.js';
import { MemoryStore } from '../src/simulation/memory-store.js';
import { StoredState } from '../src/simulation/stored-state.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';
import { ageingMs, output } from './engine-world.js';
import type { ReportedOutcome } from '../src/engine/intake.js';

const settings: SchedulingSettings = {
  claimBatch: 50,
  headSize: 10,
  startWithinMs: 60_000,
  maxInlineBytes: 1_000,
  limits: defaultRunLimits,
  leaseMs: 60_000,
  poisonAfter: 3,
  ageingMs,
  maxResidentRows: 100_000,
  maxPayloadBytes: 1_000_000,
  sweepMs: 1_000,
};

export interface Mended extends Suspicion {
  readonly isMended: boolean;
}

export class SchedulingWorld {
  readonly clock = new VirtualClock(1_000_000_000);
  readonly state = new StoredState();
  readonly store = new MemoryStore(this.state);
  readonly sent: Publication[] = [];
  readonly mended: Mended[] = [];
  readonly troubles: string[] = [];
  readonly scheduling: Scheduling;
  slots = 1_000;
  /** Changes what memory hears of a decision, before it does. */
  forge: (effects: Effects) => void = () => undefined;
  #ids = 0;

  constructor(changed: Partial<SchedulingSettings> = {}) {
    const newId = (what: string): string => `${what}_${String((this.#ids += 1)).padStart(6, '0')}`;
    const free = (): boolean => this.scheduling.credits.usedBy('agent_1', 'script') < this.slots;
    this.scheduling = assembleScheduling({
      settings: { ...settings, ...changed },
      store: this.store,
      limitStore: { all: () => Promise.resolve([]), save: () => Promise.resolve() },
      payloads: {
        load: () => Promise.reject(new Error('no blobs')),
        store: () => Promise.reject(new Error('no blobs')),
      },
      clock: this.clock,
      random: () => 0,
      newRunId: () => newId('run'),
      newAttemptId: () => newId('attempt'),
      targets: () => ({
        hasRoom: free,
        choose: () => (free() ? { agentId: 'agent_1', capability: 'script' } : undefined),
      }),
      publisher: (engine) => {
        engine.listen({ decided: (effects) => this.forge(effects) });
        const send = (works: readonly Publication[]): void => void this.sent.push(...works);
        return { isBlocked: false, publishing: () => new Set(), send };
      },
      busIsDurable: true,
      owned: () => new Map([[0, this.state.takeOver(0)]]),
      backoff: { next: () => 100, succeeded: () => undefined },
      onTrouble: (_error, what) => void this.troubles.push(what),
      onMended: (found, isMended) => void this.mended.push({ ...found, isMended }),
    });
  }

  static async open(changed: Partial<SchedulingSettings> = {}): Promise<SchedulingWorld> {
    const world = new SchedulingWorld(changed);
    await world.do(world.scheduling.keeper.read());
    return world;
  }

  /** Lets what can be done now be done until `work` is. */
  async do<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    work.finally(() => (isDone = true)).catch(() => undefined);
    for (let step = 0; !isDone; step += 1) {
      if (step > 1_000) throw new Error('it never ends');
      await this.clock.settle();
    }
    await this.clock.settle();
    return work;
  }

  async submit(document: object): Promise<string> {
    const runId = `run_${String((this.#ids += 1)).padStart(6, '0')}`;
    const plan = parseRun(JSON.stringify(document), {
      organisation: 'globex', limits: defaultRunLimits, defaults: defaultTaskDefaults,
    }); // prettier-ignore
    const about = { submittedBy: 'ada', traceparent: '', callerTraceparent: '', idempotencyKey: '', requestSha256: '' };
    const born = newRun(
      { runId, organisation: 'globex', shard: 0, plan, ...about },
      { now: this.clock.now(), ageingMs },
    );
    this.scheduling.engine.adopt(await this.do(this.store.submit(born)));
    await this.clock.settle();
    return runId;
  }

  /** The agent answers for what it was sent; for all of it unless told how much. */
  async finish(most = Infinity, outcome: ReportedOutcome = output(null)): Promise<void> {
    const works = this.sent.splice(0, Math.min(most, this.sent.length));
    const reports = works.map(({ row: { attemptId, runId } }) => ({
      attemptId, runId, agentId: 'agent_1', source: undefined, outcome,
    })); // prettier-ignore
    await this.do(this.scheduling.intake.results(reports));
  }

  /** Milliseconds in which a sweep comes to its end, whatever it finds. */
  async sweep(): Promise<void> {
    await this.clock.advance(12_000);
  }

  task(runId: string, taskId: string, itemIndex = -1) {
    const task = this.state.task({ runId, taskId, itemIndex });
    if (!task) throw new Error(`there is no ${taskId} in ${runId}`);
    return task;
  }

  memory(runId: string, taskId: string, itemIndex = -1) {
    const task = this.scheduling.engine.residents.get(runId)?.task(taskId, itemIndex);
    if (!task) throw new Error(`there is no ${taskId} of ${runId} in memory`);
    return task;
  }
}
