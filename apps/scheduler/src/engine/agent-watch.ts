/**
 * Keeps the directory current: at start, when the registry hints at a change, and every second as backstop. Unstarted work
 * of agents that are gone is taken back; what they had started is left to its lease.
 */
import { toCogmeshError } from '@cogmesh/errors';
import { takeBack, type Credits, type Engine } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import type { AgentDirectory } from './agent-directory.js';
import { Backoff } from './backoff.js';
import { Signal } from './signal.js';

const intervalMs = 1_000;

export interface AgentWatchOptions {
  readonly directory: AgentDirectory;
  readonly credits: Credits;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly onChange: () => void;
}

export class AgentWatch {
  readonly #options: AgentWatchOptions;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff(200, intervalMs);
  #stopped = false;
  #isQuiet = false;
  #loop: Promise<void> | undefined;

  constructor(options: AgentWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
  }

  /** The registry hinted at a change. */
  poke(): void {
    this.#signal.set();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs = intervalMs;
      try {
        await this.#look();
        this.#backoff.succeeded();
        this.#isQuiet = false;
      } catch (thrown) {
        restMs = this.#backoff.next();
        this.#complain(thrown);
      }
      if (!this.#stopped) await this.#signal.wait(restMs);
    }
  }

  async #look(): Promise<void> {
    const { directory, credits, onChange } = this.#options;
    await directory.refresh();
    const holders = credits.agents();
    directory.forgetAllBut(holders);
    const gone = directory.gone(holders);
    if (gone.length > 0) await this.#takeBackFrom(new Set(gone));
    onChange();
  }

  async #takeBackFrom(gone: ReadonlySet<string>): Promise<void> {
    const { engine, credits, logger } = this.#options;
    const unstarted = credits.heldBy(gone).flatMap((attemptId) => {
      const task = engine.attempt(attemptId);
      return task && task.state !== 'RUNNING' ? [{ attemptId, runId: task.runId }] : [];
    });
    if (unstarted.length === 0) return;
    logger.warn(
      { agents: [...gone], attempts: unstarted.length },
      'agents are gone; their unstarted work is taken back',
    );
    await takeBack(engine, unstarted, 'agent_gone');
  }

  /** Once per outage; a registry that restarts is no news every second. */
  #complain(thrown: unknown): void {
    if (this.#isQuiet) return;
    this.#isQuiet = true;
    const error = toCogmeshError(thrown);
    this.#options.logger.warn({ code: error.code, err: error }, `the registry does not answer: ${error.message}`);
  }
}
