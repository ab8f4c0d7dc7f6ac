/**
 * What every engine store must do, run against each of them: the databases and the one of simulations. A test has a shard of
 * its own, so all of them share one store.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunPlan, TaskPlan } from '../run-plan.js';
import { newRun, type NewRun, type Submission } from './new-run.js';
import type { EngineStore, Flush, LaneName } from './ports.js';
import { readyEntry, taskKey, type RunRow, type StoredHistoryEntry, type TaskRef, type TaskRow } from './rows.js';

export interface StoreUnderTest {
  readonly store: EngineStore;
  /** As a caller's submit does. */
  submit(born: NewRun): Promise<unknown>;
  /** A new owner of the shard; answers its epoch. */
  takeOver(shard: number): Promise<number>;
  history(runId: string): Promise<StoredHistoryEntry[]>;
  close(): Promise<void>;
}

const birth = { now: 1_700_000_000_000, ageingMs: 30_000 };
const fencedError = expect.objectContaining({
  code: 'failed_precondition',
  details: expect.objectContaining({ fenced: true }),
});

const taskPlan = (id: string, more: Partial<TaskPlan> = {}): TaskPlan => ({
  id,
  uses: 'script',
  depends: [],
  priority: 0,
  input: null,
  retry: { maxAttempts: 3, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0 },
  timeoutMs: 60_000,
  ...more,
});

let made = 0;
let shard = 0;

function bornRun(tasks: readonly TaskPlan[], more: Partial<Submission> = {}, plan: Partial<RunPlan> = {}): NewRun {
  const submission: Submission = {
    runId: `run_${String((made += 1)).padStart(6, '0')}`,
    organisation: 'globex',
    shard,
    submittedBy: 'ada',
    plan: { name: 'a run', priority: 3, labels: { team: 'vision' }, input: { a: 1 }, tasks, ...plan },
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    callerTraceparent: '',
    idempotencyKey: '',
    requestSha256: '',
    ...more,
  };
  return newRun(submission, birth);
}

const nothing: Omit<Flush, 'now' | 'owned'> = {
  newRuns: [],
  newTasks: [],
  tasks: [],
  runs: [],
  history: [],
  moves: [],
  takenOn: [],
};

/** Everything about a run in one flush, as if the engine had made it. */
const bearing = (...born: NewRun[]): Partial<Flush> => ({
  newRuns: born,
  newTasks: born.flatMap(({ tasks }) => tasks),
});

/** A different value in each field that may change. */
const changed = {
  priority: 7,
  rank: -123_456_789_012,
  state: 'RUNNING',
  pending: 2,
  capability: 'model:acme/read@4.0.0',
  attempt: 3,
  attemptId: 'attempt 1',
  agentId: 'agent 1',
  queue: 'queue 1',
  dueAt: 1_700_000_000_001,
  leaseUntil: 1_700_000_000_002,
  timeoutAt: 1_700_000_000_003,
  readyAt: 1_700_000_000_004,
  claimedAt: 1_700_000_000_005,
  startedAt: 1_700_000_000_006,
  finishedAt: 1_700_000_000_007,
  output: '{"text": "é 中文 🙂 \\"quoted\\" \\\\ \'",  "b":[1.50, null]}',
  outputBytes: 5_000_000_000,
  error: '{"code":"x"}',
  itemsTotal: 11,
  itemsSucceeded: 12,
  itemsFailed: 13,
  itemsReleased: 14,
  traceparent: '00-1',
  heldMs: 15,
  leaseMs: 16,
  losses: 17,
  approvals: '{"message":"?"}',
  ownPriority: 1,
} as const satisfies Partial<TaskRow>;

const changedRun = {
  priority: 9,
  state: 'RUNNING',
  startedAt: 1_700_000_000_011,
  finishedAt: 1_700_000_000_012,
  dueAt: 1_700_000_000_013,
  error: '{"code":"e"}',
  failure: '{"code":"f"}',
  output: '[1, 2]',
  sequence: 41,
  openTasks: 42,
  totalTasks: 43,
} as const satisfies Partial<RunRow>;

const bare = (task: TaskRow): TaskRow => ({ ...task, item: undefined, output: undefined });
const byKey = <Row extends TaskRef>(rows: readonly Row[]): Row[] =>
  rows.toSorted((a, b) => (taskKey(a) < taskKey(b) ? -1 : 1));

export function engineStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name}: the engine's store`, () => {
    let subject: StoreUnderTest;
    let store: EngineStore;

    beforeAll(async () => {
      subject = await open();
      store = subject.store;
    });
    afterAll(() => subject.close());
    beforeEach(() => {
      shard += 1;
    });

    const flush = (part: Partial<Flush>, owned = new Map([[shard, 0]])) =>
      store.flush({ ...nothing, now: birth.now, owned, ...part });

    const bear = async (...born: NewRun[]): Promise<void> => {
      await flush(bearing(...born));
    };

    async function stored({ run }: Pick<NewRun, 'run'>) {
      const [loaded] = await store.load([run.id]);
      if (!loaded) return undefined;
      return { run: loaded.run, tasks: byKey(loaded.tasks), payloads: byKey(await store.payloads(loaded.tasks)) };
    }

    const whole = ({ run, tasks }: Pick<NewRun, 'run' | 'tasks'>) => ({
      run,
      tasks: byKey(tasks.map(bare)),
      payloads: byKey(tasks).map(({ runId, taskId, itemIndex, item, output }) => {
        return { runId, taskId, itemIndex, item, output };
      }),
    });

    describe('rows', () => {
      it('come back as they were born, whether by a flush or by a submit', async () => {
        const document = [
          taskPlan('a', { affinity: { gpu: 'a100' }, concurrencyGroup: 'g', queueTimeoutMs: 5 }),
          taskPlan('b', { uses: 'model:acme/read', depends: ['a'], ownPriority: true, priority: 4 }),
        ];
        const parent = { runId: 'run_x', taskId: 'a', itemIndex: 2, rootRunId: 'run_w', dueAt: 77 };
        const nested = bornRun(
          document,
          { parent, scheduleId: 'schedule_1' },
          { output: { b: '${{ tasks.b.output }}' } },
        );
        const submitted = bornRun(document, {}, { deadlineMs: 1_000 });
        await bear(nested);
        await subject.submit(submitted);
        expect(await stored(nested)).toEqual(whole(nested));
        expect(await stored(submitted)).toEqual(whole(submitted));
        expect(await subject.history(submitted.run.id)).toEqual([
          { sequence: 1, time: birth.now, type: 'run.state', runState: 'PENDING' },
        ]);
      });

      it('come back as they were changed, in every field', async () => {
        const born = bornRun([taskPlan('a'), taskPlan('b')]);
        await bear(born);
        const [task, other] = born.tasks as [TaskRow, TaskRow];
        Object.assign(task, changed);
        Object.assign(born.run, changedRun);
        await flush({ tasks: [task], runs: [born.run] });
        expect(await stored(born)).toEqual(whole(born));
        // As good when it is new and has changed before it is stored.
        const item: TaskRow = { ...task, itemIndex: 0, item: '{"n": 1}', plan: null };
        await flush({ newTasks: [item, { ...other, itemIndex: 4, item: '4', plan: null }] });
        const tasks = [task, other, item, { ...other, itemIndex: 4, item: '4', plan: null }];
        expect(await stored(born)).toEqual(whole({ run: born.run, tasks }));
      });

      it('keep the texts that memory has put out', async () => {
        const born = bornRun([taskPlan('a')]);
        await bear(born);
        const [task] = born.tasks as [TaskRow];
        const item: TaskRow = { ...task, itemIndex: 0, item: '"x"', output: '"y"', plan: null };
        await flush({ newTasks: [item] });
        await flush({ tasks: [{ ...bare(item), state: 'SUCCEEDED' }] });
        const [read] = await store.payloads([item]);
        expect(read).toEqual({ runId: born.run.id, taskId: 'a', itemIndex: 0, item: '"x"', output: '"y"' });
        expect((await store.load([born.run.id]))[0]?.tasks).toContainEqual({ ...bare(item), state: 'SUCCEEDED' });
      });

      it('are written as they were when the flush was asked for', async () => {
        const born = bornRun([taskPlan('a')]);
        await bear(born);
        const [task] = born.tasks as [TaskRow];
        task.state = 'CLAIMED';
        born.run.state = 'RUNNING';
        const history = [{ runId: born.run.id, sequence: 2, type: 'run.state', runState: 'RUNNING' } as const];
        const flushed = flush({ tasks: [task], runs: [born.run], history });
        task.state = 'SUCCEEDED';
        born.run.state = 'SUCCEEDED';
        history.length = 0;
        await flushed;
        const now = await stored(born);
        expect([now?.run.state, now?.tasks[0]?.state]).toEqual(['RUNNING', 'CLAIMED']);
        expect(await subject.history(born.run.id)).toHaveLength(1);
      });

      it('may be thousands at once', async () => {
        const born = bornRun(Array.from({ length: 4_500 }, (_, index) => taskPlan(`t${index}`)));
        await bear(born);
        for (const task of born.tasks) task.state = 'CLAIMED';
        await flush({ tasks: born.tasks });
        const [loaded] = await store.load([born.run.id]);
        expect(loaded?.tasks).toHaveLength(4_500);
        expect(loaded?.tasks.every(({ state }) => state === 'CLAIMED')).toBe(true);
      });

      it('of several runs come together, without those that are gone', async () => {
        const [one, two] = [bornRun([taskPlan('a')]), bornRun([])];
        await bear(one, two);
        const loaded = await store.load([one.run.id, 'run_nobody', two.run.id]);
        expect(loaded.map(({ run, tasks }) => [run.id, tasks.length]).sort()).toEqual([
          [one.run.id, 1],
          [two.run.id, 0],
        ]);
        expect(await store.load([])).toEqual([]);
        expect(await store.payloads([{ runId: one.run.id, taskId: 'nobody', itemIndex: -1 }])).toEqual([]);
      });

      it('of a run that retries another are taken over with their items and outputs', async () => {
        const document = [taskPlan('a'), taskPlan('b', { depends: ['a'] })];
        const first = bornRun(document);
        const [a] = first.tasks as [TaskRow];
        Object.assign(a, { state: 'SUCCEEDED', output: '"A"', attempt: 2 });
        const item: TaskRow = { ...a, itemIndex: 0, plan: null, item: '1', output: '"A0"' };
        await flush({ newRuns: [first], newTasks: [...first.tasks, item] });
        const again = bornRun(document, { origin: { runId: first.run.id, adopted: new Set(['a']) } });
        await subject.submit(again);
        const now = await stored(again);
        expect(now?.run).toEqual({ ...again.run, sequence: 2, totalTasks: 3, openTasks: 1 });
        expect(now?.tasks.map(({ taskId, itemIndex, state }) => [taskId, itemIndex, state])).toEqual([
          ['a', -1, 'SUCCEEDED'],
          ['a', 0, 'SUCCEEDED'],
          ['b', -1, 'READY'],
        ]);
        expect(now?.payloads.map(({ item, output }) => [item, output])).toEqual(
          expect.arrayContaining([
            [null, '"A"'],
            ['1', '"A0"'],
          ]),
        );
        expect((await subject.history(again.run.id))[1]).toMatchObject({
          sequence: 2,
          taskId: 'a',
          taskState: 'SUCCEEDED',
          attempt: 2,
          data: JSON.stringify({ adoptedFrom: first.run.id }),
        });
      });
    });

    it('keeps the history with its details, by the time of the flush', async () => {
      const { run, ...born } = bornRun([]);
      const error = '{"code":"x"}';
      await flush({
        ...bearing({ run, ...born }),
        history: [
          { runId: run.id, sequence: 1, type: 'run.state', runState: 'PENDING' },
          { runId: run.id, sequence: 2, type: 'task.state', taskId: 'a', taskState: 'FAILED', itemIndex: 3, attempt: 1,
            agentId: 'agent 1', error },
          { runId: run.id, sequence: 3, type: 'task.progress', taskId: 'a', data: '{"done": 1}' },
        ],
      }); // prettier-ignore
      expect(await subject.history(run.id)).toEqual([
        { sequence: 1, time: birth.now, type: 'run.state', runState: 'PENDING' },
        { sequence: 2, time: birth.now, type: 'task.state', taskId: 'a', taskState: 'FAILED', itemIndex: 3, attempt: 1,
          agentId: 'agent 1', error },
        { sequence: 3, time: birth.now, type: 'task.progress', taskId: 'a', data: '{"done": 1}' },
      ]); // prettier-ignore
    });

    it('answers the outputs of items in their order, null for one without', async () => {
      const born = bornRun([taskPlan('a'), taskPlan('b')]);
      const [a, b] = born.tasks as [TaskRow, TaskRow];
      const item = (of: TaskRow, itemIndex: number, output: string | null): TaskRow => ({
        ...of,
        itemIndex,
        output,
        item: '0',
        plan: null,
      });
      const items = [item(a, 10, '"ten"'), item(a, 2, '"two"'), item(a, 3, null), item(b, 0, '"other"')];
      await flush({ newRuns: [born], newTasks: [...born.tasks, ...items] });
      expect(await store.itemOutputs(born.run.id, 'a')).toEqual(['"two"', null, '"ten"']);
    });

    describe('fencing', () => {
      it('lets only the newest owner of a shard write, and writes nothing of what it refuses', async () => {
        const born = bornRun([taskPlan('a')]);
        await bear(born);
        const epoch = await subject.takeOver(shard);
        const [task] = born.tasks as [TaskRow];
        const late = bornRun([taskPlan('late')]);
        const history = [{ runId: born.run.id, sequence: 2, type: 'run.state', runState: 'RUNNING' } as const];
        const change = { tasks: [{ ...task, state: 'CLAIMED' as const }], runs: [born.run], history, ...bearing(late) };
        await expect(flush(change)).rejects.toEqual(fencedError);
        await expect(store.verify(new Map([[shard, epoch - 1]]))).rejects.toEqual(fencedError);
        expect((await stored(born))?.tasks[0]?.state).toBe('READY');
        expect(await stored(late)).toBeUndefined();
        expect(await subject.history(born.run.id)).toEqual([]);
        await flush(change, new Map([[shard, epoch]]));
        await store.verify(new Map([[shard, epoch]]));
        expect((await stored(born))?.tasks[0]?.state).toBe('CLAIMED');
        expect(await stored(late)).toBeDefined();
      });

      it('looks at every shard that a flush touches', async () => {
        const [lost, kept] = [(shard += 1), (shard += 1)];
        const epoch = await subject.takeOver(lost);
        const [one, two] = [bornRun([], { shard: lost }), bornRun([], { shard: kept })];
        const both = new Map([
          [lost, epoch],
          [kept, 0],
        ]);
        await subject.takeOver(lost);
        await expect(flush(bearing(one, two), both)).rejects.toEqual(fencedError);
        await flush(bearing(two), new Map([[kept, 0]]));
        expect(await store.load([one.run.id, two.run.id])).toHaveLength(1);
      });
    });

    describe('ready tasks', () => {
      const lanes: readonly Omit<LaneName, 'organisation'>[] = [
        { uses: 'script', affinity: null, concurrencyGroup: null, control: false },
        { uses: 'script', affinity: null, concurrencyGroup: null, control: true },
        { uses: 'script', affinity: null, concurrencyGroup: 'g', control: false },
        { uses: 'script', affinity: '[["gpu","a"]]', concurrencyGroup: null, control: false },
        { uses: 'script', affinity: '[["gpu","a"]]', concurrencyGroup: 'g', control: false },
        { uses: 'tool:acme/x', affinity: null, concurrencyGroup: null, control: false },
      ];
      // Few places, so that many are equal but for the last of what decides.
      const task = fc.record({
        run: fc.nat(4),
        task: fc.nat(2),
        itemIndex: fc.integer({ min: -1, max: 3 }),
        lane: fc.oneof(fc.constant(0), fc.nat(lanes.length - 1)),
        rank: fc.oneof(fc.constantFrom(-1, 0, 1), fc.maxSafeInteger()),
        state: fc.constantFrom('READY', 'READY', 'READY', 'BLOCKED', 'CLAIMED', 'SUCCEEDED'),
      });
      const tasks = fc.uniqueArray(task, {
        minLength: 20,
        maxLength: 70,
        selector: (row) => [row.run, row.task, row.itemIndex].join(),
      });

      it('are read page by page as a sorted list would be', async () => {
        let world = 0;
        const pages = async (lane: LaneName, shards: number[], limit: number) => {
          const read = [];
          for (;;) {
            const page = await store.ready(shards, { ...lane, after: read.at(-1), limit });
            read.push(...page);
            if (page.length < limit) return read;
          }
        };
        await fc.assert(
          fc.asyncProperty(tasks, fc.integer({ min: 1, max: 9 }), async (made, limit) => {
            const organisation = `${name} ${(world += 1)} ${shard}`;
            const foreign = (shard += 1);
            const own = (shard += 1);
            const runs = [0, 1, 2, 3, 4].map((index) => bornRun([taskPlan('t')], { organisation, shard: index === 4 ? foreign : own })); // prettier-ignore
            const paused = runs[3] as NewRun;
            paused.run.state = 'PAUSED';
            const rows = made.map(({ run, task, lane, rank, state, itemIndex }): TaskRow => {
              const of = runs[run] as NewRun;
              const { control, ...where } = lanes[lane] as LaneName;
              const place = { taskId: `t${task}`, itemIndex, rank, state: state as TaskRow['state'] };
              return { ...(of.tasks[0] as TaskRow), ...place, ...where, control: control ? 1 : 0 };
            });
            const owned = new Map([
              [own, 0],
              [foreign, 0],
            ]);
            await flush({ newRuns: runs, newTasks: rows }, owned);
            const waiting = rows.filter(({ state, runId, shard: of }) => state === 'READY' && of === own && runId !== paused.run.id); // prettier-ignore
            const counts = [];
            for (const where of lanes) {
              const lane = { organisation, ...where };
              const expected = waiting.filter((row) => isIn(row, lane)).sort(comparePlaces);
              expect(await pages(lane, [own], limit)).toEqual(expected.map(readyEntry));
              if (expected.length > 0) counts.push({ ...lane, ready: expected.length });
            }
            const snapshot = await store.snapshot([own]);
            expect(snapshot.lanes).toHaveLength(counts.length);
            expect(snapshot.lanes).toEqual(expect.arrayContaining(counts));
          }),
          { numRuns: 25 },
        );
      });
    });

    it('knows which runs are due, soonest first', async () => {
      const at = (taskDueAt: number | null, state: TaskRow['state'], runDueAt: number | null, more = {}): NewRun => {
        const born = bornRun([taskPlan('a')], more);
        Object.assign(born.run, { dueAt: runDueAt });
        Object.assign(born.tasks[0] as TaskRow, { dueAt: taskDueAt, state });
        return born;
      };
      const other = shard + 1_000;
      const late = at(900, 'RETRY_WAIT', null);
      const runs = [
        late,
        at(300, 'WAITING', 800),
        at(950, 'READY', 200),
        at(100, 'READY', null),
        at(1_001, 'READY', null),
      ];
      const ignored = [at(50, 'RUNNING', null), at(50, 'CLAIMED', null), at(null, 'READY', null)];
      const foreign = at(1, 'READY', 1, { shard: other });
      const owned = new Map([
        [shard, 0],
        [other, 0],
      ]);
      await flush(bearing(...runs, ...ignored, foreign), owned);
      const [, second, third, first] = runs.map(({ run }) => run.id);
      expect(await store.due([shard], 1_000, 10)).toEqual([first, third, second, late.run.id]);
      expect(await store.due([shard], 899, 2)).toEqual([first, third]);
      expect(await store.due([shard, other], 99, 10)).toEqual([foreign.run.id]);
      expect(await store.due([], 1_000, 10)).toEqual([]);
    });

    it('tells an engine what there is to go on with', async () => {
      const held = bornRun(['CLAIMED', 'PUBLISHED', 'RUNNING', 'SUCCEEDED'].map((id) => taskPlan(id)));
      for (const task of held.tasks) {
        const state = task.taskId as TaskRow['state'];
        Object.assign(task, { state, attemptId: `attempt ${task.taskId}`, agentId: 'agent 1', capability: 'script' });
      }
      const joined = bornRun([taskPlan('joined'), taskPlan('open')]);
      for (const task of joined.tasks) Object.assign(task, { state: 'RUNNING', itemsTotal: 3, itemsSucceeded: 1 });
      (joined.tasks[0] as TaskRow).itemsFailed = 2;
      const empty = bornRun([]);
      const outer = bornRun([taskPlan('ended', { uses: 'run' }), taskPlan('waits', { uses: 'run' })]);
      const inside = (taskId: string): NewRun =>
        bornRun([taskPlan('x')], { parent: { runId: outer.run.id, taskId, itemIndex: -1, rootRunId: outer.run.id, dueAt: null } }); // prettier-ignore
      const [ended, waited, lost] = [inside('ended'), inside('waits'), inside('waits')];
      Object.assign(ended.run, { state: 'FAILED', openTasks: 0 });
      for (const task of outer.tasks) {
        Object.assign(task, { state: 'WAITING', attemptId: (task.taskId === 'ended' ? ended : waited).run.id });
      }
      await bear(held, joined, empty, outer, ended, waited, lost);
      const snapshot = await store.snapshot([shard]);
      expect(snapshot.held.toSorted((a, b) => (a.attemptId < b.attemptId ? -1 : 1))).toEqual(
        ['CLAIMED', 'PUBLISHED', 'RUNNING'].map((state) => ({
          attemptId: `attempt ${state}`,
          runId: held.run.id,
          state,
          agentId: 'agent 1',
          queue: null,
          capability: 'script',
          organisation: 'globex',
          uses: 'script',
          concurrencyGroup: null,
        })),
      );
      expect(snapshot.aggregate).toEqual([{ runId: joined.run.id, taskId: 'joined', itemIndex: -1 }]);
      expect(snapshot.finalise).toEqual([empty.run.id]);
      expect(snapshot.answered).toEqual([ended.run.id]);
      expect(snapshot.orphaned).toEqual([lost.run.id]);
      expect(snapshot.open).toEqual([{ organisation: 'globex', open: 4 + 2 + 2 + 1 + 1 }]);
      expect((await store.nestedIn(outer.run.id)).toSorted()).toEqual([waited.run.id, lost.run.id]);
      expect(await store.snapshot([])).toEqual({ held: [], lanes: [], open: [], aggregate: [], finalise: [], answered: [], orphaned: [] }); // prettier-ignore
    });

    it('finds runs nested at any depth, also below one that has ended', async () => {
      const outer = bornRun([]);
      const below = (above: NewRun): NewRun =>
        bornRun([], {
          parent: { runId: above.run.id, taskId: 'a', itemIndex: -1, rootRunId: outer.run.id, dueAt: null },
        });
      const middle = below(outer);
      const inner = below(middle);
      middle.run.state = 'SUCCEEDED';
      await bear(outer, middle, inner);
      expect(await store.nestedIn(outer.run.id)).toEqual([inner.run.id]);
    });
  });
}

const isIn = (task: TaskRow, lane: LaneName): boolean =>
  task.organisation === lane.organisation && task.uses === lane.uses && task.affinity === lane.affinity &&
  task.concurrencyGroup === lane.concurrencyGroup && (task.control === 1) === lane.control; // prettier-ignore

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const comparePlaces = (a: TaskRow, b: TaskRow): number =>
  a.rank - b.rank || compare(a.runId, b.runId) || compare(a.taskId, b.taskId) || a.itemIndex - b.itemIndex;
