/** The history of one run as a client sees it: followed live over broken connections, then judged as a whole. */
import type { CogmeshClient, RunEvent } from '@cogmesh/sdk';
import { until } from './poll.js';

export class History {
  readonly events: RunEvent[] = [];
  /** Resolves after `run.done`; rejects when the client gives up. */
  readonly done: Promise<void>;

  private constructor(client: CogmeshClient, runId: string, onEvent: (history: History) => void) {
    this.done = (async () => {
      for await (const event of client.watchRun(runId, { maxReconnects: 60, idleMs: 20_000 })) {
        this.events.push(event);
        onEvent(this);
      }
    })();
    // Whoever never asks for the end must not be killed by it.
    this.done.catch(() => {});
  }

  static follow(client: CogmeshClient, runId: string, onEvent: (history: History) => void = () => {}): History {
    return new History(client, runId, onEvent);
  }

  /** Tasks in the order in which they succeeded. */
  get succeeded(): readonly string[] {
    return this.events
      .filter(({ type, taskState }) => type === 'task.state' && taskState === 'SUCCEEDED')
      .map(({ taskId }) => taskId ?? '');
  }

  /** Sequence numbers that are not one more than the one before. */
  get gaps(): readonly number[] {
    return this.events.map(({ sequence }) => sequence).filter((sequence, index) => sequence !== index + 1);
  }

  async whenDone(timeoutMs: number): Promise<void> {
    let over = false;
    const ended = this.done.then(() => (over = true));
    await Promise.race([ended, until('the run ends', () => over, { timeoutMs })]);
  }
}

/** What happened at least twice. */
export const repeated = (names: readonly string[]): readonly string[] => [
  ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];
