/** The engine's store and the storing of submissions on a real database; what every engine store must do is in the core's contract. */
import { sql, type Database, type SqlRunner } from '@cogmesh/database';
import {
  newRun,
  parseRun,
  type Flush,
  type NewRun,
  type StoredHistoryEntry,
  type TaskRow,
} from '@cogmesh/scheduling-core';
import { engineStoreContract, type StoreUnderTest } from '@cogmesh/scheduling-core/engine-store.contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schedulerMigrations } from './migrations.js';
import { SqlEngineStore } from './sql-engine-store.js';
import { SqlRunViews } from './sql-run-views.js';
import { earlierSubmission, storeSubmission } from './sql-submissions.js';

/** An empty database, and how to leave it. */
export type OpenDatabase = () => Promise<{ readonly database: Database; readonly close: () => Promise<void> }>;

const code = (expected: string) => expect.objectContaining({ code: expected });

let runs = 0;

function bornRun({
  organisation = 'globex',
  labels = {},
  tasks = [] as unknown[],
  key = '',
  sha = 'sha',
} = {}): NewRun {
  const plan = parseRun(
    JSON.stringify({ labels, tasks: [{ id: 'a', uses: 'script', script: 'return 1' }, ...tasks] }),
    {
      organisation,
    },
  );
  const submission = {
    runId: `run_${(runs += 1)}`,
    organisation,
    shard: 0,
    submittedBy: 'ada',
    plan,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    callerTraceparent: '',
    idempotencyKey: key,
    requestSha256: sha,
  };
  return newRun(submission, { now: 1_700_000_000_000, ageingMs: 30_000 });
}

const nothing: Flush = {
  now: 1_700_000_000_000,
  owned: new Map([[0, 0]]),
  newRuns: [],
  newTasks: [],
  tasks: [],
  runs: [],
  history: [],
  moves: [],
  takenOn: [],
};

async function subjectOn(open: OpenDatabase): Promise<StoreUnderTest> {
  const { database, close } = await open();
  await database.migrate(schedulerMigrations);
  const views = new SqlRunViews(database);
  return {
    store: new SqlEngineStore(database),
    submit: (born) => storeSubmission(database, born),
    takeOver: async (shard) => {
      const [taken] = await database.query(sql<{ epoch: number }>`insert into scheduler_shards (shard, epoch)
        values (${shard}, 1) on conflict (shard) do update set epoch = scheduler_shards.epoch + 1 returning epoch`);
      return taken?.epoch ?? 0;
    },
    history: async (runId) => (await views.history(runId, 0, 100)).map(withoutNulls),
    close,
  };
}

const withoutNulls = (entry: StoredHistoryEntry): StoredHistoryEntry =>
  Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null)) as unknown as StoredHistoryEntry;

export function sqlEngineStoreContract(name: string, open: OpenDatabase): void {
  engineStoreContract(name, () => subjectOn(open));

  describe(`${name}: the engine's store over SQL`, () => {
    let database: Database;
    let close: () => Promise<void>;
    let store: SqlEngineStore;

    beforeAll(async () => {
      ({ database, close } = await open());
      await database.migrate(schedulerMigrations);
      store = new SqlEngineStore(database);
    });
    afterAll(() => close());

    const count = async (table: string, runId: string) => {
      const column = sql.raw(table === 'runs' ? 'id' : 'run_id');
      const [row] = await database.query(sql<{ n: number }>`select count(*) as n from ${sql.raw(table)}
        where ${column} = ${runId}`);
      return row?.n;
    };

    it('stores nothing of a flush that cannot be stored whole', async () => {
      const [known, born] = [bornRun(), bornRun()];
      await store.flush({ ...nothing, newRuns: [known], newTasks: known.tasks });
      const twice = { ...nothing, newRuns: [born], newTasks: [...born.tasks, ...known.tasks] };
      await expect(store.flush(twice)).rejects.toEqual(code('already_exists'));
      expect(await count('runs', born.run.id)).toBe(0);
      await store.flush({ ...nothing, newRuns: [born], newTasks: born.tasks });
      expect(await count('tasks', born.run.id)).toBe(1);
    });

    it('counts nothing for a brief snapshot', async () => {
      const born = bornRun({ organisation: 'brief' });
      await storeSubmission(database, born);
      await store.flush({
        ...nothing,
        tasks: [{ ...(born.tasks[0] as TaskRow), state: 'CLAIMED', attemptId: 'brief' }],
      });
      const [whole, brief] = await Promise.all([store.snapshot([0]), store.snapshot([0], { brief: true })]);
      expect(whole.open.some(({ organisation }) => organisation === 'brief')).toBe(true);
      expect(brief).toEqual({ ...whole, lanes: [], open: [] });
      expect(brief.held.map(({ attemptId }) => attemptId)).toContain('brief');
    });

    it('counts a run that waits to be taken on when it is, and not before', async () => {
      const [mine, waiting] = [bornRun({ organisation: 'count' }), bornRun({ organisation: 'count' })];
      const countOf = async () =>
        (await store.snapshot([0])).open.find(({ organisation }) => organisation === 'count')?.open;
      const { id: runId, shard } = waiting.run;
      const command = { id: `command_${runId}`, shard, kind: 'adopt', body: JSON.stringify({ runId }), awaited: false };
      await storeSubmission(database, mine);
      await storeSubmission(database, waiting, { owner: { epoch: undefined, command } });
      expect(Number(await countOf())).toBe(1);
      expect((await store.load([runId])).map(({ isWaiting }) => isWaiting)).toEqual([true]);
      await store.flush({ ...nothing, owned: new Map([[shard, 0]]), takenOn: [waiting.run] });
      expect((await store.load([runId])).map(({ isWaiting }) => isWaiting)).toEqual([false]);
      expect(Number(await countOf())).toBe(2);
    });

    it('refuses rows of a shard that is not its own', async () => {
      const born = bornRun();
      await expect(store.flush({ ...nothing, owned: new Map(), newRuns: [born] })).rejects.toEqual(
        code('failed_precondition'),
      );
      expect(await count('runs', born.run.id)).toBe(0);
    });

    it('writes nothing when the shard changes hands while the flush waits', async () => {
      const born = bornRun();
      const flush = { ...nothing, newRuns: [born], newTasks: born.tasks };
      await database.execute(sql`insert into scheduler_shards (shard, epoch) values (0, 0) on conflict do nothing`);
      const begun = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const setEpoch = (epoch: number) => sql`update scheduler_shards set epoch = ${epoch} where shard = 0`;
      const taking = database.transaction(async (tx) => {
        await tx.execute(setEpoch(1));
        begun.resolve();
        await goOn.promise;
      });
      await begun.promise;
      const refused = expect(store.flush(flush)).rejects.toEqual(code('failed_precondition'));
      // Whatever was asked before it has been answered: the flush is under way.
      await database.query(sql`select 1 as one`);
      goOn.resolve();
      await taking;
      await refused;
      expect(await count('runs', born.run.id)).toBe(0);
      await database.execute(setEpoch(0));
    });

    it('does not fail for text of an agent that no database can hold', async () => {
      const born = bornRun();
      await storeSubmission(database, born);
      const [task] = born.tasks as [TaskRow];
      Object.assign(task, { state: 'FAILED', agentId: 'a\0b', error: 'half a pair \ud800' });
      await store.flush({ ...nothing, tasks: [task] });
      const [loaded] = await store.load([born.run.id]);
      expect(loaded?.tasks[0]).toMatchObject({ agentId: 'a\ufffdb', error: 'half a pair \ufffd' });
    });

    it('makes a delivery for each webhook that wants to hear of a move, once', async () => {
      const webhook = (id: string, states: string[], labels: object, more: { org?: string; paused?: number } = {}) =>
        database.execute(sql`insert into webhooks (id, organisation, url, states, labels, secret, paused, created_by,
          created_at) values (${id}, ${more.org ?? 'hooked'}, 'https://x', ${JSON.stringify(states)},
          ${JSON.stringify(labels)}, '', ${more.paused ?? 0}, '', 0)`);
      await webhook('w1', [], {});
      await webhook('w2', ['RUNNING', 'FAILED'], { team: 'vision' });
      await webhook('w3', [], { team: 'other' });
      await webhook('w4', [], { team: 'vision', missing: '' });
      await webhook('w5', [], {}, { org: 'other' });
      await webhook('w6', [], {}, { paused: 1 });
      const born = bornRun({ organisation: 'hooked', labels: { team: 'vision', more: '1' } });
      const nested = { ...born.run, id: 'run_nested', parentRunId: 'run_outer' };
      const moves = (['RUNNING', 'FAILED'] as const).map((state) => ({ run: { ...born.run, state }, state }));
      await storeSubmission(database, born);
      const flush = { ...nothing, runs: [born.run], moves: [...moves, { run: nested, state: 'FAILED' as const }] };
      expect(await store.flush(flush)).toEqual({ deliveries: 3 });
      expect(await store.flush(flush)).toEqual({ deliveries: 0 });
      const rows = await database.query(sql`select d.webhook_id as webhook, d.run_state as state, d.due_at as at
        from webhook_deliveries d where d.run_id = ${born.run.id} order by d.webhook_id, d.run_state`);
      const at = nothing.now;
      expect(rows).toEqual([
        { webhook: 'w1', state: 'FAILED', at },
        { webhook: 'w2', state: 'FAILED', at },
        { webhook: 'w2', state: 'RUNNING', at },
      ]);
    });

    describe('a submission', () => {
      it('with a key is made once, also by several at the same time', async () => {
        const all = await Promise.all(
          Array.from({ length: 8 }, () => storeSubmission(database, bornRun({ key: 'once', labels: { a: 'b' } }))),
        );
        expect(new Set(all.map(({ runId }) => runId)).size).toBe(1);
        expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect(all.every(({ replayed, born }) => replayed === (born === undefined))).toBe(true);
        const other = await storeSubmission(database, bornRun({ key: 'once', organisation: 'initech' }));
        expect(other.replayed).toBe(false);
      });

      it('with a key of another document is refused', async () => {
        const first = bornRun({ key: 'same', sha: 'one' });
        await storeSubmission(database, first);
        const second = bornRun({ key: 'same', sha: 'two' });
        await expect(storeSubmission(database, second)).rejects.toEqual(code('idempotency_conflict'));
        await expect(earlierSubmission(database, second.submission)).rejects.toEqual(code('idempotency_conflict'));
        expect(await earlierSubmission(database, first.submission)).toMatchObject({ runId: first.run.id });
        expect(await earlierSubmission(database, bornRun().submission)).toBeUndefined();
      });

      it('is stored with what goes before it, or not at all', async () => {
        const born = bornRun();
        const refusal = storeSubmission(database, born, { before: () => Promise.reject(new Error('not now')) });
        await expect(refusal).rejects.toThrow('not now');
        expect(await count('runs', born.run.id)).toBe(0);
        const note = async (tx: SqlRunner, runId: string): Promise<void> => {
          await tx.execute(sql`create table if not exists noted (run_id text)`);
          await tx.execute(sql`insert into noted (run_id) values (${runId})`);
        };
        const stored = await storeSubmission(database, born, { before: note });
        expect(stored.born).toBe(born);
        expect(await count('noted', born.run.id)).toBe(1);
      });

      it('of thousands of tasks is stored whole, or not at all', async () => {
        const tasks = Array.from({ length: 2_500 }, (_, index) => ({
          id: `t${index}`,
          uses: 'script',
          script: 'return 1',
        }));
        const born = bornRun({ tasks, key: 'large' });
        expect((await storeSubmission(database, born)).born).toBe(born);
        const [loaded] = await store.load([born.run.id]);
        expect(loaded?.tasks.map(({ taskId }) => taskId)).toEqual(born.tasks.map(({ taskId }) => taskId));
        const again = bornRun({ tasks, key: 'large' });
        expect(await storeSubmission(database, again)).toMatchObject({ runId: born.run.id, replayed: true });
        expect(await count('tasks', again.run.id)).toBe(0);
      });

      it('is found by its labels', async () => {
        const born = bornRun({ labels: { team: 'found', 'a b': '"c"' } });
        await storeSubmission(database, born);
        const page = { organisation: 'globex', limit: 10, labels: { team: 'found', 'a b': '"c"' } };
        expect((await new SqlRunViews(database).runs(page)).map(({ id }) => id)).toEqual([born.run.id]);
      });
    });

    it('reads who waits for whom from the plans', async () => {
      const task = { uses: 'script', script: 'return 1' };
      const born = bornRun({
        tasks: [
          { id: 'b', depends: ['a'], ...task },
          { id: 'c', depends: ['b', 'a'], ...task },
        ],
      });
      await storeSubmission(database, born);
      const views = new SqlRunViews(database);
      expect(await views.dependencies(born.run.id)).toEqual([
        { parent: 'a', child: 'b', state: 'READY' },
        { parent: 'b', child: 'c', state: 'BLOCKED' },
        { parent: 'a', child: 'c', state: 'READY' },
      ]);
      expect(await views.unmetOf(born.run.id, 'c')).toEqual(['a', 'b']);
      expect(await views.unmetOf(born.run.id, 'a')).toEqual([]);
      await store.flush({ ...nothing, tasks: [{ ...(born.tasks[0] as TaskRow), state: 'SUCCEEDED' }] });
      expect(await views.unmetOf(born.run.id, 'c')).toEqual(['b']);
    });
  });
}
