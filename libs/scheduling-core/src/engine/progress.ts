/**
 * Words of running attempts (progress, log lines, partial output) become history that watchers see. They count only for the
 * attempt that holds the lease; they are no truth: what is too long, too fast or too late is dropped and nobody waits for it.
 */
import type { Engine } from './engine.js';
import { isJson } from './intake.js';
import type { TaskRow } from './rows.js';
import type { Unit } from './unit.js';

/** Contract: work.proto, Progress. */
const maxDataBytes = 4 * 1024;
const wordsPerSecond = 20;
/** Attempts whose pace is remembered. */
const maxPaced = 20_000;

export interface ProgressReport {
  readonly attemptId: string;
  readonly runId: string;
  /** Anything; what is no JSON is dropped. */
  readonly dataJson: string;
}

interface Pace {
  readonly since: number;
  words: number;
}

export class ProgressWords {
  readonly #engine: Engine;
  readonly #nowMs: () => number;
  #paces = new Map<string, Pace>();

  /** `nowMs`: monotonic. */
  constructor(engine: Engine, nowMs: () => number) {
    this.#engine = engine;
    this.#nowMs = nowMs;
  }

  /** Resolves when what counted is stored. */
  async tell(reports: readonly ProgressReport[]): Promise<void> {
    const words = reports
      .filter(({ attemptId, dataJson }) => isWord(dataJson) && this.#inTime(attemptId))
      .filter(({ attemptId, runId }) => this.#running(attemptId, runId) !== undefined);
    if (words.length === 0) return;
    await this.#engine.transact(
      words.map(({ runId }) => runId),
      (unit) => {
        for (const { attemptId, runId, dataJson } of words) {
          const task = this.#running(attemptId, runId);
          if (task) tell(unit, task, dataJson);
        }
      },
    );
  }

  #running(attemptId: string, runId: string): TaskRow | undefined {
    const task = this.#engine.attempt(attemptId);
    return task?.state === 'RUNNING' && task.runId === runId ? task : undefined;
  }

  #inTime(attemptId: string): boolean {
    const now = this.#nowMs();
    const known = this.#paces.get(attemptId);
    if (known !== undefined && now - known.since < 1_000) return (known.words += 1) <= wordsPerSecond;
    if (this.#paces.size >= maxPaced) this.#paces = new Map();
    this.#paces.set(attemptId, { since: now, words: 1 });
    return true;
  }
}

function tell(unit: Unit, task: TaskRow, data: string): void {
  const { taskId, itemIndex, attempt, agentId } = task;
  const index = itemIndex < 0 ? {} : { itemIndex };
  unit.tell(unit.run(task), { type: 'task.progress', taskId, attempt, agentId, data, ...index });
}

const isWord = (text: string): boolean => Buffer.byteLength(text) <= maxDataBytes && isJson(text);
