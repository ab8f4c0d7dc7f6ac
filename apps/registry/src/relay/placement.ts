import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { workV1 } from '@cogmesh/contracts';
import type { RelayedAttempt } from './relayed-attempt.js';

/**
 * Where one attempt stands between the broker and an agent: `waiting` for a credit, `offered` on the stream, `started` as the
 * agent says (then the lease guards it and its delivery is settled), `ending` while its outcome is on the way to the scheduler.
 */
export type Phase = 'waiting' | 'offered' | 'started' | 'ending';

export class Placement {
  readonly attempt: RelayedAttempt;
  /** Absent for an attempt that an earlier process of the registry relayed. */
  readonly work: workV1.Work | undefined;
  readonly receivedMs: number;
  phase: Phase;
  /** The agent has told this process of the start. */
  announced = false;
  /** The broker has the news of the start; words before it would be of an attempt that nobody knows to run. */
  told = false;
  /** Its row is written, or may be. */
  stored: boolean;
  /** The scheduler wants no result any more. */
  unwanted = false;
  /** Words of the agent that the scheduler has not heard, in order. */
  words: string[] = [];
  readonly #settled = Promise.withResolvers<void>();
  #queue: Promise<void> = Promise.resolve();

  constructor(attempt: RelayedAttempt, options: { readonly work?: workV1.Work; readonly receivedMs: number }) {
    this.attempt = attempt;
    this.work = options.work;
    this.receivedMs = options.receivedMs;
    this.phase = options.work ? 'waiting' : 'started';
    this.stored = options.work === undefined;
    this.#settled.promise.catch(() => {});
  }

  get id(): string {
    return this.attempt.attemptId;
  }

  get unstarted(): boolean {
    return this.phase === 'waiting' || this.phase === 'offered';
  }

  /** Resolves when the delivery may be acknowledged. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  expired(nowMs: number): boolean {
    const notAfter = this.work?.notAfter;
    return notAfter !== undefined && timestampDate(notAfter).getTime() < nowMs;
  }

  settle(): void {
    this.#settled.resolve();
  }

  /** The delivery must come again. */
  fail(error: unknown): void {
    this.#settled.reject(error);
  }

  /** One step after the other, so that a result never overtakes its start. */
  next(step: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.catch(() => {}).then(step);
    return this.#queue;
  }
}
