/**
 * Words of running attempts (progress, log lines, partial output) become history that watchers see. They count only for the
 * attempt that holds the lease; they are no truth: what is too long, too fast or too late is dropped and nobody waits for it.
 */
import type { workV1 } from '@cogmesh/contracts';
import type { Engine } from './engine.js';

/** Contract: work.proto, Progress. */
const maxDataBytes = 4 * 1024;
const wordsPerSecond = 20;
/** Attempts whose pace is remembered. */
const maxPaced = 20_000;

interface Pace {
  readonly since: number;
  words: number;
}

export class ProgressWords {
  readonly #engine: Engine;
  readonly #now: () => number;
  #paces = new Map<string, Pace>();

  constructor(engine: Engine, now: () => number = () => performance.now()) {
    this.#engine = engine;
    this.#now = now;
  }

  async tell(reports: readonly workV1.Progress[]): Promise<void> {
    const words = reports.filter((word) => isWord(word.dataJson) && this.#inTime(word.attemptId));
    if (words.length === 0) return;
    await this.#engine.transact(
      words.map(({ runId }) => runId),
      async (unit) => {
        const held = await unit.loadHeld([...new Set(words.map(({ attemptId }) => attemptId))]);
        const tasks = new Map(held.map((task) => [task.attemptId, task]));
        for (const { attemptId, runId, dataJson } of words) {
          const task = tasks.get(attemptId);
          if (task?.state !== 'RUNNING' || task.runId !== runId) continue;
          unit.tell(unit.run(task), {
            type: 'task.progress',
            taskId: task.taskId,
            attempt: task.attempt,
            agentId: task.agentId,
            data: dataJson,
            ...(task.itemIndex < 0 ? {} : { itemIndex: task.itemIndex }),
          });
        }
      },
    );
  }

  #inTime(attemptId: string): boolean {
    const now = this.#now();
    const known = this.#paces.get(attemptId);
    if (known !== undefined && now - known.since < 1_000) return (known.words += 1) <= wordsPerSecond;
    if (this.#paces.size >= maxPaced) this.#paces = new Map();
    this.#paces.set(attemptId, { since: now, words: 1 });
    return true;
  }
}

function isWord(text: string): boolean {
  if (text === '' || Buffer.byteLength(text) > maxDataBytes) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
