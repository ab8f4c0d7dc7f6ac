/** Two replicas over a real database: one asks, the other owns. Hints go by hand, so that a test can lose them. */
import { sql, type Database } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schedulerMigrations } from '../adapters/migrations.js';
import { CommandLoop } from './command-loop.js';
import { CommandRouter } from './command-router.js';
import { shardMoved, type CommandHandlers } from './commands.js';
import { SqlCommands } from './sql-commands.js';

interface Shapes {
  readonly double: { readonly body: { readonly n: number }; readonly answer: { readonly n: number } };
  readonly note: { readonly body: string; readonly answer: void };
}

export function commandsContract(name: string, open: () => Promise<Database>): void {
  describe(`commands over ${name}`, () => {
    let db: Database;
    let loops: CommandLoop<Shapes>[] = [];
    let ids = 0;

    beforeEach(async () => {
      db = await open();
      await db.migrate(schedulerMigrations);
      loops = [];
    });
    afterEach(async () => {
      for (const loop of loops) await loop.stop();
      await db.close();
    });

    interface Replica {
      readonly owned: Set<number>;
      readonly noted: string[];
      readonly router: CommandRouter<Shapes>;
      readonly loop: CommandLoop<Shapes>;
      peers: Replica[];
      losesHints: boolean;
    }

    const replica = (shards: readonly number[], extra: Partial<CommandHandlers<Shapes>> = {}): Replica => {
      const owned = new Set(shards);
      const noted: string[] = [];
      const table = new SqlCommands(db);
      const handlers: CommandHandlers<Shapes> = {
        double: async ({ n }) => ({ n: n * 2 }),
        note: async (text) => void noted.push(text),
        ...extra,
      };
      const self: Replica = {
        owned,
        noted,
        peers: [],
        losesHints: false,
        router: new CommandRouter<Shapes>({
          table,
          handlers,
          owns: (shard) => owned.has(shard),
          newId: () => `command_${String((ids += 1)).padStart(6, '0')}`,
          onWaiting: (waiting) => {
            if (!self.losesHints) for (const peer of [self, ...self.peers]) peer.loop.wake(waiting);
          },
        }),
        loop: new CommandLoop<Shapes>({
          table,
          handlers,
          owned: () => [...owned],
          onAnswered: (done) => {
            self.router.settle(done);
            if (!self.losesHints) for (const peer of self.peers) peer.router.answered(done.map(({ id }) => id));
          },
          logger: createLogger({ level: 'silent' }),
        }),
      };
      loops.push(self.loop);
      return self;
    };
    const pair = (a: Replica, b: Replica) => {
      a.peers = [b];
      b.peers = [a];
      for (const { loop } of [a, b]) loop.start();
      return [a, b] as const;
    };
    const rows = () => db.query(sql`select id, answer, done_at is not null as done from scheduler_commands`);

    it('calls the handler itself for what this process owns, without a row', async () => {
      const [a] = pair(replica([0]), replica([1]));
      expect(await a.router.route(0, 'double', { n: 4 })).toEqual({ n: 8 });
      expect(await rows()).toEqual([]);
    });

    it('asks the owner', async () => {
      const [a] = pair(replica([0]), replica([1]));
      expect(await a.router.route(1, 'double', { n: 4 })).toEqual({ n: 8 });
      const many = Array.from({ length: 50 }, (_, n) => n);
      const answers = await Promise.all(many.map((n) => a.router.route(1, 'double', { n })));
      expect(answers).toEqual(many.map((n) => ({ n: n * 2 })));
    });

    it('works without any hint, and for one who owns nothing', async () => {
      const [a, b] = pair(replica([]), replica([0, 1]));
      a.losesHints = b.losesHints = true;
      expect(await a.router.route(1, 'double', { n: 4 })).toEqual({ n: 8 });
    });

    it('brings the owner’s error back as it was', async () => {
      const refuse = async (): Promise<never> => {
        throw new CogmeshError('failed_precondition', 'it is over', { runId: 'run_1' });
      };
      const [a] = pair(replica([0]), replica([1], { double: refuse }));
      await expect(a.router.route(1, 'double', { n: 1 })).rejects.toMatchObject({
        code: 'failed_precondition',
        message: 'it is over',
        details: { runId: 'run_1' },
      });
    });

    it('is unavailable when nobody answers in time, and is applied all the same by who owns the shard later', async () => {
      const [a, b] = pair(replica([0]), replica([]));
      await expect(a.router.route(1, 'note', 'late', { withinMs: 50 })).rejects.toMatchObject({ code: 'unavailable' });
      b.owned.add(1);
      b.loop.look();
      await expect.poll(() => b.noted).toEqual(['late']);
    });

    it('follows a shard that moves while it is asked for', async () => {
      const moved = async (_body: unknown, shard: number): Promise<never> => {
        a.owned.delete(shard);
        b.owned.add(shard);
        throw shardMoved(shard);
      };
      const a: Replica = replica([0], { double: moved });
      const b = replica([]);
      pair(a, b);
      expect(await a.router.route(0, 'double', { n: 3 })).toEqual({ n: 6 });
    });

    it('tries again what could not be applied now', async () => {
      let failures = 2;
      const shaky = async ({ n }: { n: number }) => {
        if (failures-- > 0) throw new CogmeshError('unavailable', 'the state is read anew');
        return { n };
      };
      const [a] = pair(replica([0]), replica([1], { double: shaky }));
      expect(await a.router.route(1, 'double', { n: 3 })).toEqual({ n: 3 });
      expect(failures).toBe(-1);
    });

    it('keeps a command that is stored with something else, and removes it when it is applied', async () => {
      const [a, b] = pair(replica([0]), replica([1]));
      const command = a.router.command(1, 'note', 'with a run');
      const table = new SqlCommands(db);
      await expect(
        db.transaction(async (tx) => {
          await table.put([a.router.command(1, 'note', 'never')], tx);
          throw new Error('not stored');
        }),
      ).rejects.toThrow('not stored');
      await db.transaction((tx) => table.put([command], tx));
      a.router.stored([1]);
      await expect.poll(() => b.noted).toEqual(['with a run']);
      await b.loop.settled();
      expect(await rows()).toEqual([]);
    });

    it('applies a thousand commands, each once, while nothing fails', async () => {
      const [a, b] = pair(replica([0]), replica([1, 2]));
      const texts = Array.from({ length: 1_000 }, (_, index) => `note ${index}`);
      await a.router.leave(texts.map((text, index) => a.router.command(1 + (index % 2), 'note', text)));
      await expect.poll(() => b.noted.length, { timeout: 10_000 }).toBe(1_000);
      expect(new Set(b.noted)).toEqual(new Set(texts));
      await b.loop.settled();
      expect(b.noted).toHaveLength(1_000);
      expect(await rows()).toEqual([]);
    });

    it('keeps answers for a while and then removes them', async () => {
      const [a, b] = pair(replica([0]), replica([1]));
      await a.router.route(1, 'double', { n: 1 });
      await b.loop.settled();
      const table = new SqlCommands(db);
      expect(await table.prune(60_000, 10)).toBe(0);
      expect(await rows()).toHaveLength(1);
      await expect.poll(() => table.prune(-1, 10)).toBe(1);
    });
  });
}
