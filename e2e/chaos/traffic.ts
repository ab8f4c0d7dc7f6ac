/**
 * Callers of one organisation: they keep a few random runs under way, cancel, pause and hurry some, approve what asks for it,
 * and follow each to its end. A mesh that is away is no reason to complain; they ask again, under the same key. What a caller
 * was told is kept beside the run, so that it can be held against the mesh afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, isEnded, type CogmeshClient, type RunView } from '@cogmesh/sdk';
import { History } from '../src/history.js';
import type { Organisation } from '../src/world.js';
import { randomActs, type Acts } from './acts.js';
import { Chance } from './chance.js';
import type { Journal } from './journal.js';
import { randomProgram, type Program } from './program.js';

export interface Attended {
  readonly organisation: Organisation;
  readonly key: string;
  readonly program: Program;
  readonly acts: Acts;
  /** Undefined until it was accepted. */
  run?: RunView;
  /** `granted`: the mesh answered that it is, or will be, cancelled. */
  cancel: 'no' | 'asked' | 'granted';
  history?: History;
  isOver: boolean;
}

export interface TrafficOptions {
  readonly organisation: Organisation;
  readonly client: CogmeshClient;
  readonly seed: string;
  readonly journal: Journal;
  /** Runs under way at once. */
  readonly openRuns: number;
  /** Nobody asks again after it. */
  readonly giveUp: AbortSignal;
}

/** Every run of one test carries it, and nothing else does. */
export const labelsOf = (seed: string) => ({ chaos: seed });

const ASK_AGAIN_MS = 250;
const LOOK_AGAIN_MS = 1_500;
const HISTORY_WITHIN_MS = 60_000;

function openTasksOf(run: RunView | undefined): string {
  const open =
    run?.tasks?.filter(({ state }) => !['SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED'].includes(state)) ?? [];
  const tasks = open.map(
    ({ id, uses, state, attempt, waiting }) => `${id} (${uses}) ${state} ${attempt} ${waiting?.message ?? ''}`,
  );
  return `${run?.state ?? 'not accepted'}: ${tasks.join(', ')}`;
}

const told = ({ code, message, details }: CogmeshError) =>
  `${code}: ${message} ${JSON.stringify(details).slice(0, 500)}`;

export class Traffic {
  readonly attended: Attended[] = [];
  readonly #options: TrafficOptions;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** Starts runs until `until`; resolves when all are over, or nobody asks any more. */
  async flow(until: number): Promise<void> {
    const caller = async () => {
      while (Date.now() < until) await this.#attend();
    };
    await Promise.all(Array.from({ length: this.#options.openRuns }, caller));
  }

  async #attend(): Promise<void> {
    const { organisation, seed, journal, client } = this.#options;
    const index = this.attended.length;
    const chance = new Chance(seed, organisation, index);
    const name = `${organisation}-${index}`;
    const program = randomProgram({ chance, organisation, name, labels: labelsOf(seed), depth: 2 });
    const acts = randomActs(chance);
    const each: Attended = { organisation, key: `${seed}-${name}`, program, acts, cancel: 'no', isOver: false };
    this.attended.push(each);
    const run = await this.#insist(each, 'submit', () => this.#submit(each));
    if (!run) return;
    each.run = run;
    journal.note(`${name} is ${run.id}, ${program.steps.size} tasks`);
    if (acts.isFollowed) each.history = History.follow(client, run.id);
    await Promise.all([this.#steer(each, run.id), this.#untilOver(each, run.id)]);
    await each.history?.whenDone(HISTORY_WITHIN_MS).catch((thrown: Error) => {
      if (!this.#options.giveUp.aborted)
        journal.complain('history', run.id, `followed live: ${String(thrown.cause ?? thrown)}`);
    });
  }

  #submit({ program, key }: Attended): Promise<RunView> {
    return this.#options.client.submitRun(program.document, { idempotencyKey: key });
  }

  async #steer(each: Attended, runId: string): Promise<void> {
    const { cancelAfterMs, pause, priority, submitsAgain } = each.acts;
    const { scheduling } = this.#options.client;
    await Promise.all([
      submitsAgain && this.#submitAgain(each, runId),
      cancelAfterMs !== undefined && this.#later(cancelAfterMs, () => this.#cancel(each, runId)),
      priority && this.#later(priority.afterMs, () =>
        this.#insist(each, 'change the priority of', () => scheduling.setPriority(runId, priority.to))),
      pause && this.#later(pause.afterMs, async () => {
        await this.#insist(each, 'pause', () => scheduling.pauseRun(runId));
        await this.#later(pause.forMs, () => this.#insist(each, 'resume', () => scheduling.resumeRun(runId)));
      }),
    ]); // prettier-ignore
  }

  async #submitAgain(each: Attended, runId: string): Promise<void> {
    const { journal, client } = this.#options;
    const again = await this.#insist(each, 'submit again', () => this.#submit(each));
    if (again && again.id !== runId) journal.complain('doubled', runId, `its key made ${again.id} as well`);
    const other = { ...each.program.document, name: 'other' };
    const conflict = () =>
      client.submitRun(other, { idempotencyKey: each.key }).catch((thrown: unknown) => {
        if (thrown instanceof CogmeshError && thrown.code === 'idempotency_conflict') return undefined;
        throw thrown;
      });
    const taken = await this.#insist(each, 'submit another body as', conflict);
    if (taken) journal.complain('doubled', runId, `another body under its key made ${taken.id}`);
  }

  async #cancel(each: Attended, runId: string): Promise<void> {
    each.cancel = 'asked';
    const run = await this.#insist(each, 'cancel', () => this.#options.client.cancelRun(runId));
    if (run?.state === 'CANCELLED' || run?.state === 'CANCELLING') each.cancel = 'granted';
  }

  async #untilOver(each: Attended, runId: string): Promise<void> {
    for (;;) {
      const run = await this.#insist(each, 'look at', () => this.#options.client.getRun(runId));
      if (!run) return;
      each.run = run;
      each.isOver = isEnded(run.state);
      if (each.isOver) {
        this.#options.journal.note(`${each.key} is ${run.state}`);
        return;
      }
      for (const { id, uses, state } of run.tasks ?? []) {
        if (uses === 'approval' && state === 'WAITING') await this.#approve(each, runId, id);
      }
      await this.#later(LOOK_AGAIN_MS, () => undefined);
    }
  }

  /** Whether it was heard shows at the next look. */
  async #approve({ key }: Attended, runId: string, taskId: string): Promise<void> {
    const { client, journal } = this.#options;
    await client.scheduling.signalTask(runId, taskId, { approved: true }).then(
      () => journal.note(`${key}: ${taskId} is approved`),
      () => undefined,
    );
  }

  /**
   * The answer; undefined when nobody asks any more, or when the run was over already. A refusal for any other reason is held
   * against the mesh.
   */
  async #insist<T>(each: Attended, what: string, call: () => Promise<T>): Promise<T | undefined> {
    const { giveUp, journal } = this.#options;
    let last = '';
    while (!giveUp.aborted) {
      try {
        return await call();
      } catch (thrown) {
        if (!(thrown instanceof CogmeshError)) throw thrown;
        if (thrown.code === 'failed_precondition') return undefined;
        if (!thrown.retryable) {
          journal.complain('lost', each.run?.id ?? each.key, `cannot ${what} it: ${told(thrown)}`);
          return undefined;
        }
        if (told(thrown) !== last) journal.note(`${each.key}: cannot ${what} it now: ${told(thrown)}`);
        last = told(thrown);
      }
      await this.#later(ASK_AGAIN_MS, () => undefined);
    }
    journal.complain(
      'stuck',
      each.run?.id ?? each.key,
      `nobody could ${what} it to the end ${last}; ${openTasksOf(each.run)}`,
    );
    return undefined;
  }

  /** Does nothing when nobody asks any more. */
  async #later(afterMs: number, work: () => unknown): Promise<void> {
    const { giveUp } = this.#options;
    await delay(afterMs, undefined, { signal: giveUp }).then(work, (thrown: unknown) => {
      if (!giveUp.aborted) throw thrown;
    });
  }
}
