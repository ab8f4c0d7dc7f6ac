/**
 * The owner's side of the command table: reads what waits for its shards, applies it side by side, and writes the answers
 * of one turn together. Woken by hints, with a poll as backstop. What fails because the engine or the database is away, or
 * because the shard has moved, stays where it is for whoever owns the shard then.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { Backoff } from '../engine/backoff.js';
import { Signal } from '../engine/signal.js';
import { errorText, type CommandHandlers } from './commands.js';
import type { DoneCommand, OpenCommand, SqlCommands } from './sql-commands.js';

/** Commands applied at once. */
const maxAtOnce = 200;
/** The backstop for hints that were lost, milliseconds; while something is to be tried again, sooner. */
const pollMs = 1_000;
const againMs = 250;
/** How long an answer is kept for its asker, and how many are removed at a time. */
const keptMs = 60_000;
const pruneBatch = 1_000;
const pruneEveryMs = 10_000;

export interface CommandLoopOptions<Shapes> {
  readonly table: SqlCommands;
  readonly handlers: CommandHandlers<Shapes>;
  readonly owned: () => readonly number[];
  /** Answers are stored. */
  readonly onAnswered: (done: readonly DoneCommand[]) => void;
  readonly logger: Logger;
}

type AnyHandler = ((body: unknown, shard: number) => Promise<unknown>) | undefined;

export class CommandLoop<Shapes> {
  readonly #options: CommandLoopOptions<Shapes>;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff();
  readonly #applying = new Map<string, Promise<void>>();
  /** Written since the newest look began, which may have seen them open. */
  #written = new Set<string>();
  #done: DoneCommand[] = [];
  #applied: string[] = [];
  #writing: Promise<void> | undefined;
  #isAgain = false;
  #prunedAtMs = performance.now();
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: CommandLoopOptions<Shapes>) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** What is being applied comes to its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
    await this.settled();
  }

  /** Something waits for these shards. */
  wake(shards: readonly number[]): void {
    const owned = new Set(this.#options.owned());
    if (shards.some((shard) => owned.has(shard))) this.#signal.set();
  }

  /** The shards have changed. */
  look(): void {
    this.#signal.set();
  }

  /** Resolves when nothing is being applied or written. */
  async settled(): Promise<void> {
    while (this.#applying.size > 0 || this.#writing) {
      await Promise.all([...this.#applying.values(), this.#writing]);
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs: number;
      try {
        restMs = await this.poll();
        this.#backoff.succeeded();
      } catch (thrown) {
        restMs = this.#backoff.next();
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error, restMs }, `commands rest: ${error.message}`);
      }
      if (!this.#stopped && restMs > 0) await this.#signal.wait(restMs);
    }
  }

  /** Begins what waits; answers how long to rest, milliseconds. */
  async poll(): Promise<number> {
    const { owned, table } = this.#options;
    this.#isAgain = false;
    await this.#prune();
    const shards = owned();
    const room = maxAtOnce - this.#applying.size;
    if (shards.length === 0 || room <= 0) return pollMs;
    this.#written = new Set();
    const found = await table.open(shards, maxAtOnce);
    // Those being applied are still open rows.
    const fresh = found.filter(({ id }) => !this.#applying.has(id) && !this.#written.has(id)).slice(0, room);
    for (const command of fresh) this.#begin(command);
    if (found.length === maxAtOnce && fresh.length > 0) return 0;
    return this.#isAgain ? againMs : pollMs;
  }

  #begin(command: OpenCommand): void {
    const applying = this.#apply(command).finally(() => {
      this.#applying.delete(command.id);
      if (this.#applying.size === maxAtOnce - 1) this.#signal.set();
    });
    this.#applying.set(command.id, applying);
  }

  async #apply({ id, shard, kind, body, awaited }: OpenCommand): Promise<void> {
    const { handlers, logger } = this.#options;
    let done: DoneCommand;
    try {
      const handle = (handlers as Readonly<Record<string, AnyHandler>>)[kind];
      if (!handle) throw new Error(`nothing is known of a command ${kind}`);
      const answer = await handle(JSON.parse(body), shard);
      done = { id, answer: JSON.stringify(answer) ?? null, error: null };
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      if (error.code === 'unavailable') return this.#again();
      if (error.code === 'internal' || awaited === 0) {
        logger.warn({ command: id, kind, shard, code: error.code, err: thrown }, `a command failed: ${error.message}`);
      }
      done = { id, answer: null, error: errorText(error) };
    }
    if (awaited === 1) this.#done.push(done);
    else this.#applied.push(id);
    // Before the command counts as applied: it must not be found open and begun anew.
    await (this.#writing ??= this.#write());
  }

  #again(): void {
    this.#isAgain = true;
    setTimeout(() => this.#signal.set(), againMs).unref();
  }

  /** What came to its end meanwhile is written next. */
  async #write(): Promise<void> {
    const { table, onAnswered, logger } = this.#options;
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#done.length + this.#applied.length > 0) {
        const done = this.#done.splice(0);
        const applied = this.#applied.splice(0);
        await Promise.all([table.answer(done), table.remove(applied)]);
        for (const id of [...done.map((each) => each.id), ...applied]) this.#written.add(id);
        if (done.length > 0) onAnswered(done);
      }
    } catch (thrown) {
      // Still open: they are applied again.
      logger.warn({ err: thrown }, 'answers of commands were not stored');
      this.#again();
    } finally {
      this.#writing = undefined;
    }
  }

  async #prune(): Promise<void> {
    const now = performance.now();
    if (now - this.#prunedAtMs < pruneEveryMs) return;
    this.#prunedAtMs = now;
    while ((await this.#options.table.prune(keptMs, pruneBatch)) === pruneBatch && !this.#stopped);
  }
}
