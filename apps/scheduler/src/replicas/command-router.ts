/**
 * Brings a command to the owner of its shard. Is that this process, its handler is called; otherwise the command becomes a
 * row, the others are woken by a hint, and the answer is waited for. A command that was not answered in time is
 * `unavailable` and may still be applied.
 */
import { CogmeshError } from '@cogmesh/errors';
import { Signal } from '../engine/signal.js';
import { errorOfText, hasMoved, type AnswerOf, type BodyOf, type CommandHandlers } from './commands.js';
import type { DoneCommand, NewCommand, SqlCommands } from './sql-commands.js';

/** Longest wait for the owner; a caller's own deadline is 10 s. Milliseconds. */
const answerWithinMs = 8_000;
/** How often an answer is looked for that no hint told of, milliseconds. */
const lookEveryMs = 250;

export interface CommandRouterOptions<Shapes> {
  readonly table: SqlCommands;
  readonly handlers: CommandHandlers<Shapes>;
  readonly owns: (shard: number) => boolean;
  /** Unique, sorts by time. */
  readonly newId: () => string;
  /** Commands for these shards are stored. */
  readonly onWaiting: (shards: readonly number[]) => void;
}

interface Asker {
  readonly deadlineMs: number;
  settle(done: DoneCommand): void;
  refuse(error: CogmeshError): void;
}

export interface RouteOptions {
  /** Longest wait for the owner, milliseconds. */
  readonly withinMs?: number;
}

export class CommandRouter<Shapes> {
  readonly #options: CommandRouterOptions<Shapes>;
  readonly #askers = new Map<string, Asker>();
  readonly #signal = new Signal();
  #isLooking = false;

  constructor(options: CommandRouterOptions<Shapes>) {
    this.#options = options;
  }

  /** The handler's answer, or its error. */
  async route<Kind extends keyof Shapes & string>(
    shard: number,
    kind: Kind,
    body: BodyOf<Shapes, Kind>,
    { withinMs = answerWithinMs }: RouteOptions = {},
  ): Promise<AnswerOf<Shapes, Kind>> {
    const { owns, handlers } = this.#options;
    if (owns(shard)) {
      try {
        return await handlers[kind](body, shard);
      } catch (thrown) {
        if (!hasMoved(thrown)) throw thrown;
      }
    }
    return this.#ask(shard, { kind, body: JSON.stringify(body) }, withinMs) as Promise<AnswerOf<Shapes, Kind>>;
  }

  /** A command as a row, for who stores it in a transaction of his own and says `stored` after it. */
  command<Kind extends keyof Shapes & string>(shard: number, kind: Kind, body: BodyOf<Shapes, Kind>): NewCommand {
    return { id: this.#options.newId(), shard, kind, body: JSON.stringify(body), awaited: false };
  }

  stored(shards: readonly number[]): void {
    this.#options.onWaiting(shards);
  }

  /** Resolves when they are stored; nobody waits until they are applied. */
  async leave(commands: readonly NewCommand[]): Promise<void> {
    if (commands.length === 0) return;
    await this.#options.table.put(commands);
    this.stored([...new Set(commands.map(({ shard }) => shard))]);
  }

  /** These have been answered, somebody says; those nobody here asked are not looked for. */
  answered(ids: readonly string[]): void {
    if (ids.some((id) => this.#askers.has(id))) this.#signal.set();
  }

  /** What the loop of this process answered needs no look. */
  settle(done: readonly DoneCommand[]): void {
    for (const each of done) this.#askers.get(each.id)?.settle(each);
  }

  async #ask(shard: number, { kind, body }: { kind: string; body: string }, withinMs: number): Promise<unknown> {
    const id = this.#options.newId();
    await this.#options.table.put([{ id, shard, kind, body, awaited: true }]);
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#askers.set(id, {
        deadlineMs: performance.now() + withinMs,
        settle: ({ answer: text, error }) =>
          error === null
            ? resolve(text === null ? undefined : (JSON.parse(text) as unknown))
            : reject(errorOfText(error)),
        refuse: reject,
      });
    });
    this.stored([shard]);
    void this.#look();
    return answer.finally(() => this.#askers.delete(id));
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#askers.size > 0) {
      await this.#signal.wait(lookEveryMs);
      const ids = [...this.#askers.keys()];
      // A look that failed is followed by another.
      this.settle(ids.length === 0 ? [] : await this.#options.table.answers(ids).catch(() => []));
      this.#giveUp();
      // Askers leave when their answers are read.
      await Promise.resolve();
    }
    this.#isLooking = false;
  }

  #giveUp(): void {
    const now = performance.now();
    for (const { deadlineMs, refuse } of this.#askers.values()) {
      if (deadlineMs <= now)
        refuse(new CogmeshError('unavailable', 'the scheduler that owns it does not answer; try again'));
    }
  }
}
