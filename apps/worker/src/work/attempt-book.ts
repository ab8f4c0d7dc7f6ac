/**
 * The attempts this worker holds, and the ones it has finished lately. It keeps the rule that an attempt runs once here
 * however often it is delivered, and it is what the heartbeat lists.
 */
import { CogmeshError } from '@cogmesh/errors';

/** Finished attempts remembered, so that a late redelivery is known. */
const maxRemembered = 10_000;

export interface HeldAttempt {
  readonly attemptId: string;
  /** Aborted with the reason (a CogmeshError) when the attempt is cancelled or handed back. */
  readonly signal: AbortSignal;
  started: boolean;
}

interface Entry {
  readonly held: HeldAttempt;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class AttemptBook {
  private readonly entries = new Map<string, Entry>();
  private readonly finished = new Set<string>();

  /** Runs `work` unless the attempt is held (then waits for it) or finished. */
  async once(attemptId: string, work: (held: HeldAttempt) => Promise<void>): Promise<void> {
    if (this.finished.has(attemptId)) return;
    const existing = this.entries.get(attemptId);
    if (existing) return existing.done;
    const abort = new AbortController();
    const held: HeldAttempt = { attemptId, signal: abort.signal, started: false };
    const done = work(held).then(
      () => this.remember(attemptId),
      (thrown: unknown) => {
        this.entries.delete(attemptId);
        throw thrown;
      },
    );
    this.entries.set(attemptId, { held, abort, done });
    return done;
  }

  get ids(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** The scheduler no longer wants these; what runs is let run out or killed by whoever runs it. */
  cancel(attemptIds: readonly string[], reason: string): void {
    const error = new CogmeshError('cancelled', reason);
    for (const id of attemptIds) this.entries.get(id)?.abort.abort(error);
  }

  /** Ends the waiting of everything that has not started. */
  abortUnstarted(error: CogmeshError): void {
    for (const { held, abort } of this.entries.values()) if (!held.started) abort.abort(error);
  }

  private remember(attemptId: string): void {
    this.entries.delete(attemptId);
    this.finished.add(attemptId);
    for (const oldest of this.finished) {
      if (this.finished.size <= maxRemembered) break;
      this.finished.delete(oldest);
    }
  }
}
