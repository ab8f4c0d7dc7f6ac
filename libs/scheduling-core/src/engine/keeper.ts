/**
 * Keeps the engine's memory alive: reads it for the first time and whenever it is in doubt, again and again until the store
 * answers. Submits wait meanwhile, so that none falls between what was read and what is told.
 */
import type { Deferrals } from './deferrals.js';
import type { OnTrouble } from './dispatch-ports.js';
import type { Engine, EngineListener } from './engine.js';
import type { Ownership } from './ports.js';
import type { QueuedTasks } from './queued-tasks.js';

export interface KeeperOptions {
  readonly engine: Engine;
  readonly queued: QueuedTasks;
  /** Its own: the dispatcher's are cleared with the memory. */
  readonly deferrals: Deferrals;
  /** What this process owns now; asked before each try. */
  readonly owned: () => Ownership | Promise<Ownership>;
  /** What else has to be read first. */
  readonly before: () => Promise<unknown>;
  readonly onTrouble: OnTrouble;
}

export class Keeper implements EngineListener {
  readonly #options: KeeperOptions;
  #isWanted = false;
  #reading: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Reads memory, at the start or because other shards are owned now. Resolves after the try, however it ended. */
  async read(): Promise<void> {
    this.#isWanted = true;
    while (this.#isWanted && !this.#isStopped) await (this.#reading ??= this.#readOnce());
  }

  doubted(error: unknown): void {
    this.#options.onTrouble(error, 'trusting memory');
    void this.read();
  }

  /** Resolves when nothing is being read; nothing will be from then on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.deferrals.clear();
    await this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { engine, queued, deferrals, owned, before, onTrouble } = this.#options;
    this.#isWanted = false;
    try {
      await queued.recount(async () => {
        await before();
        await engine.own(await owned());
      });
    } catch (error) {
      onTrouble(error, 'reading memory anew');
      if (!this.#isStopped) deferrals.defer('memory', () => void this.read());
    } finally {
      this.#reading = undefined;
    }
  }
}
