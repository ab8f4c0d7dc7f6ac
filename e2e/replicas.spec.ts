/**
 * Two schedulers share the runs of three organisations: one is killed, frozen, or told to stop, and whatever happens every run
 * ends, every task succeeds exactly once, and somebody owns every shard again soon. Calls reach whichever scheduler is next.
 */
import type { Cluster } from '@cogmesh/mesh';
import { openPostgres, sql, type Database } from '@cogmesh/database';
import type { CogmeshClient, RunDocument } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { History, repeated } from './src/history.js';
import { until } from './src/poll.js';
import { isAlive, killHard } from './src/processes.js';
import { createWorld, type Organisation, organisations, type PolicySet, type World } from './src/world.js';

const SHARDS = 16;
/** Long enough that every run is in the middle of something when a scheduler goes. */
const TASKS = 60;
const FINISH_WITHIN_MS = 90_000;
const READY_WITHIN_MS = 60_000;
const TAKEN_OVER_WITHIN_MS = 10_000;
const HANDED_OVER_WITHIN_MS = 2_000;

const policiesOf = (organisation: Organisation): PolicySet => ({
  organisation,
  roles: { operator: {} },
  policies: [
    {
      id: 'operators',
      policy: "role == 'operator'",
      permissions: ['create', 'read', 'list', 'cancel', 'write', 'approve'],
      resources: ['/runs/**'],
    },
  ],
});

let world: World;
let cluster: Cluster;
let database: Database;
const clients = new Map<Organisation, CogmeshClient>();
const clientOf = (organisation: Organisation) => clients.get(organisation) as CogmeshClient;

beforeAll(async () => {
  world = await createWorld({ partners: ['globex', 'initech'], policiesOf });
  cluster = await startTestCluster(world, { COGMESH_SCHEDULER_SHARDS: String(SHARDS) }, 2);
  database = await openPostgres(cluster.backend.databaseUrlOf('scheduler'), { schema: 'scheduler' });
  for (const organisation of organisations) {
    clients.set(organisation, world.client(cluster.url, organisation, 'operator'));
  }
});

afterAll(async () => {
  await database?.close();
  await cluster?.stop();
  await world?.remove();
});

const owners = async (): Promise<Set<string>> => {
  const rows = await database.query(sql<{ owner: string | null }>`select owner from scheduler_shards`);
  return new Set(rows.map(({ owner }) => owner ?? ''));
};
const owning =
  (...names: readonly string[]) =>
  async () => {
    const found = await owners();
    return found.size === names.length && names.every((name) => found.has(name));
  };
const both = owning('scheduler', 'scheduler-2');
/** Scheduler that has the organisation's runs. */
const ownerOf = async (runId: string): Promise<string> => {
  const [row] = await database.query(sql<{ owner: string }>`select s.owner from runs r
    join scheduler_shards s on s.shard = r.shard where r.id = ${runId}`);
  return row?.owner ?? '';
};
const allReady = async () => (await cluster.readiness()).ready && (await both());
const whenReady = () => until('both schedulers share the shards', allReady, { timeoutMs: READY_WITHIN_MS });

const work: RunDocument = {
  name: 'work',
  tasks: Array.from({ length: TASKS }, (_, index) => ({
    id: `t${index}`,
    uses: 'script',
    input: { n: index },
    script: 'const end = Date.now() + 20; while (Date.now() < end); return input.n',
    // Three chains, so that the runs last.
    ...(index < 3 ? {} : { depends: [`t${index - 3}`] }),
  })),
};

interface Followed {
  readonly organisation: Organisation;
  readonly id: string;
  readonly history: History;
}

const begin = (): Promise<Followed[]> =>
  Promise.all(
    organisations.map(async (organisation) => {
      const client = clientOf(organisation);
      const { id } = await client.submitRun(work);
      return { organisation, id, history: History.follow(client, id) };
    }),
  );
const underWay = (runs: readonly Followed[]) =>
  until('every run is under way', () => runs.every(({ history }) => history.succeeded.length > 3));

async function expectWhole(runs: readonly Followed[]): Promise<void> {
  for (const { organisation, id, history } of runs) {
    await history.whenDone(FINISH_WITHIN_MS);
    expect((await clientOf(organisation).getRun(id)).state, organisation).toBe('SUCCEEDED');
    expect(repeated(history.succeeded), organisation).toEqual([]);
    expect(new Set(history.succeeded).size, organisation).toBe(TASKS);
    expect(history.gaps, organisation).toEqual([]);
  }
}

const signal = (pid: number, name: NodeJS.Signals) => process.kill(pid, name);
/** The process that the supervisor started in the place of `pid`. */
const successorOf = (name: string, pid: number) =>
  until(`${name} is started again`, () => {
    const now = cluster.pidOf(name);
    return now !== pid && now > 0 && isAlive(now) ? now : undefined;
  });

describe('two schedulers', () => {
  it('share the work, and the runs of both are seen and steered through either', async () => {
    await whenReady();
    const asking: RunDocument = {
      name: 'asking',
      tasks: [
        { id: 'ask', uses: 'approval' },
        { id: 'then', uses: 'script', script: 'return 1', depends: ['ask'] },
      ],
    };
    const seen = new Set<string>();
    for (const organisation of organisations) {
      const client = clientOf(organisation);
      // Each call goes to the next scheduler, so that both are asked for each thing.
      for (let round = 0; round < 2; round += 1) {
        const { id } = await client.submitRun(asking);
        seen.add(await ownerOf(id));
        await client.scheduling.pauseRun(id);
        expect((await client.getRun(id)).state).toBe('PAUSED');
        await client.scheduling.resumeRun(id);
        await client.scheduling.signalTask(id, 'ask', { approved: true });
        const history = History.follow(client, id);
        await history.whenDone(FINISH_WITHIN_MS);
        const cancelled = await client.submitRun(asking);
        await client.cancelRun(cancelled.id);
        expect((await client.getRun(cancelled.id)).state).toBe('CANCELLED');
      }
    }
    expect(seen).toEqual(new Set(['scheduler', 'scheduler-2']));
    await expectWhole(await begin());
  });

  it('kill -9 of one: the other takes over within 10 s, and shares again when it is back', async () => {
    await whenReady();
    const runs = await begin();
    await underWay(runs);
    const killed = cluster.pidOf('scheduler-2');
    killHard(killed);
    const killedAt = Date.now();
    // The supervisor starts it again at once; for a while it does not get that far.
    const successor = await successorOf('scheduler-2', killed);
    signal(successor, 'SIGSTOP');
    try {
      await until('the other owns everything', owning('scheduler'), { timeoutMs: TAKEN_OVER_WITHIN_MS });
      expect(Date.now() - killedAt).toBeLessThan(TAKEN_OVER_WITHIN_MS);
      await expectWhole(runs);
    } finally {
      signal(successor, 'SIGCONT');
    }
    await whenReady();
  });

  it('kill -9 of one that comes back at once: it has its own again, and nothing is done twice', async () => {
    await whenReady();
    const runs = await begin();
    await underWay(runs);
    killHard(cluster.pidOf('scheduler'));
    await expectWhole(runs);
    await whenReady();
  });

  it('one that freezes: the other takes over, and what it wakes up with no longer counts', async () => {
    await whenReady();
    const runs = await begin();
    await underWay(runs);
    const frozen = cluster.pidOf('scheduler');
    signal(frozen, 'SIGSTOP');
    try {
      await until('the other owns everything', owning('scheduler-2'), { timeoutMs: TAKEN_OVER_WITHIN_MS });
    } finally {
      signal(frozen, 'SIGCONT');
    }
    await expectWhole(runs);
    await whenReady();
    expect(cluster.pidOf('scheduler')).toBe(frozen);
  });

  it('SIGTERM of one: the other has its shards without waiting for a lease', async () => {
    await whenReady();
    const runs = await begin();
    await underWay(runs);
    const stopped = cluster.pidOf('scheduler-2');
    const stoppedAt = Date.now();
    signal(stopped, 'SIGTERM');
    await until('the other owns everything', owning('scheduler'), { timeoutMs: TAKEN_OVER_WITHIN_MS, everyMs: 10 });
    expect(Date.now() - stoppedAt).toBeLessThan(HANDED_OVER_WITHIN_MS);
    await expectWhole(runs);
    await whenReady();
  });
});
