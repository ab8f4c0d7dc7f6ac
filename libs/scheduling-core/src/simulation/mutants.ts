/**
 * Schedulers with one thing wrong. The simulation has to find each of them, or it proves nothing about the right one. Each is
 * the right scheduler with a wrap around one of its seams; nothing of it is written twice.
 */
import type { Effects } from '../engine/effects.js';
import type { Engine } from '../engine/engine.js';
import type { EngineStore } from '../engine/ports.js';
import type { ResidentRun } from '../engine/resident-run.js';
import { isHeld } from '../states.js';
import type { SimulatedMessage, SimulatedResult } from './messages.js';
import type { Observations } from './observations.js';
import type { Parts } from './replica-parts.js';

type Hear = (message: SimulatedMessage) => Promise<void>;

export interface Surroundings {
  readonly engine: Engine;
  readonly observed: Observations;
}

export interface Mutant {
  readonly name: string;
  /** What is wrong with it. */
  readonly says: string;
  /** Around the store that the engine sees. */
  readonly store?: (store: EngineStore) => EngineStore;
  /** Before any other part listens to the engine. */
  readonly engine?: (engine: Engine) => void;
  /** When everything is put together. */
  readonly parts?: (parts: Pick<Parts, 'order'>) => void;
  /** Around what takes reports from the bus. */
  readonly hear?: (hear: Hear, around: Surroundings) => Hear;
  /** Agents hear of nothing that they should stop. */
  readonly stopsNothing?: true;
}

/** Tells true every `period`th time. */
function every(period: number): () => boolean {
  let count = 0;
  return () => (count += 1) % period === 0;
}

const decidedFirst = (engine: Engine, decided: (effects: Effects) => void): void => engine.listen({ decided });

function twice(run: ResidentRun): void {
  const children = run.children.bind(run);
  run.children = (taskId) => children(taskId).flatMap((child) => [child, child]);
}

/** Children whose only unmet dependency is this task. */
async function releaseEarly({ engine }: Surroundings, message: SimulatedMessage): Promise<void> {
  if (message.kind !== 'started') return;
  const tasks = message.reports.flatMap(({ attemptId }) => engine.attempt(attemptId) ?? []);
  await engine.transact(tasks.map(({ runId }) => runId), (unit) => {
    for (const task of tasks) {
      const run = unit.find(task.runId);
      for (const id of task.itemIndex < 0 && run ? run.children(task.taskId) : []) {
        const child = run?.task(id);
        if (child?.state !== 'BLOCKED' || child.pending !== 1) continue;
        child.pending = 0;
        unit.move(child, 'released', { readyAt: unit.now });
      }
    }
  }); // prettier-ignore
}

/** The result, as if it came from the attempt that holds the task now. */
function adopted(result: SimulatedResult, { engine, observed }: Surroundings): SimulatedResult {
  const work = observed.starts.get(result.attemptId);
  const task = work && engine.residents.get(work.runId)?.task(work.taskId, work.itemIndex);
  return task && isHeld(task.state) && task.attemptId !== null ? { ...result, attemptId: task.attemptId } : result;
}

const everyone = Number.MAX_SAFE_INTEGER;

export const mutants: readonly Mutant[] = [
  {
    name: 'decrement-twice',
    says: 'the end of a task counts twice among what its children wait for',
    engine: (engine) => engine.listen({ loaded: twice }),
  },
  {
    name: 'early-release',
    says: 'children are released when their parent starts, not when it has succeeded',
    hear: (hear, around) => async (message) => {
      await hear(message);
      await releaseEarly(around, message);
    },
  },
  {
    name: 'no-fencing',
    says: 'a result counts for its task whatever attempt it is of',
    hear: (hear, around) => (message) => {
      if (message.kind !== 'results') return hear(message);
      return hear({ ...message, reports: message.reports.map((result) => adopted(result, around)) });
    },
  },
  {
    name: 'acknowledge-first',
    says: 'reports are acknowledged before what they change is stored',
    hear: (hear) => (message) => {
      hear(message).catch(() => undefined);
      return Promise.resolve();
    },
  },
  {
    name: 'lost-timer',
    says: 'now and then a timer that is set is forgotten',
    engine: (engine) => {
      const isLost = every(5);
      decidedFirst(engine, ({ timed }) => {
        if (timed.length > 0 && isLost()) timed.splice(0);
      });
    },
  },
  {
    name: 'leaked-credit',
    says: 'now and then an attempt that has ended keeps its credit',
    engine: (engine) => {
      const isLeaked = every(5);
      decidedFirst(engine, ({ freed }) => {
        if (freed.length > 0 && isLeaked()) freed.splice(0);
      });
    },
  },
  {
    name: 'limit-after-pick',
    says: 'what is picked is not asked before whether its limits have room',
    parts: ({ order }) => (order.close = () => undefined),
  },
  {
    name: 'uncounted-retry',
    says: 'an attempt that failed is not counted, so a task is tried for ever',
    engine: (engine) => {
      decidedFirst(engine, ({ timed }) => {
        for (const task of timed) if (task.state === 'RETRY_WAIT') task.attempt -= 1;
      });
    },
  },
  {
    name: 'cancel-without-stop',
    says: 'agents are not told to stop what nobody wants any more',
    stopsNothing: true,
  },
  {
    name: 'no-epoch',
    says: 'the store takes what is written by who has lost the shard',
    store: (store) => {
      const anybody = new Map(Array.from({ length: 16 }, (_, shard) => [shard, everyone]));
      const flush: EngineStore['flush'] = (decided) => store.flush({ ...decided, owned: anybody });
      return wrap(store, { flush, verify: () => Promise.resolve() });
    },
  },
  {
    name: 'skipped-head',
    says: 'a page of ready tasks begins one too far',
    store: (store) => {
      const ready: EngineStore['ready'] = async (shards, page) => {
        const found = await store.ready(shards, { ...page, limit: page.limit + 1 });
        return page.after === undefined ? found.slice(0, page.limit) : found.slice(1);
      };
      return wrap(store, { ready });
    },
  },
];

function wrap(store: EngineStore, other: Partial<EngineStore>): EngineStore {
  return {
    snapshot: (shards) => store.snapshot(shards),
    load: (runIds) => store.load(runIds),
    payloads: (refs) => store.payloads(refs),
    itemOutputs: (runId, taskId) => store.itemOutputs(runId, taskId),
    flush: (flush) => store.flush(flush),
    verify: (owned) => store.verify(owned),
    ready: (shards, page) => store.ready(shards, page),
    due: (shards, until, limit) => store.due(shards, until, limit),
    nestedIn: (runId) => store.nestedIn(runId),
    ...other,
  };
}
