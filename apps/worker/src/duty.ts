/**
 * Whether the worker takes work, and telling the world when that or what it offers changes. Draining cannot be taken back:
 * nothing new is taken, what has not begun goes back to the scheduler, what runs is finished.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { RegistryLink } from './adapters/registry-link.js';
import type { CapabilityInit } from './inference/capabilities.js';
import type { AttemptBook } from './work/attempt-book.js';
import type { WorkQueues } from './work/work-queues.js';

export interface DutyParts {
  readonly queues: WorkQueues;
  readonly link: RegistryLink;
}

export interface DutyOptions {
  readonly attempts: AttemptBook;
  readonly capabilities: () => readonly CapabilityInit[];
  readonly logger: Logger;
}

export class Duty {
  private draining = false;
  private parts: DutyParts | undefined;

  constructor(private readonly options: DutyOptions) {}

  get isDraining(): boolean {
    return this.draining;
  }

  /** Takes up work: consumes the queues, then connects to the registry. */
  async begin(parts: DutyParts): Promise<void> {
    this.parts = parts;
    await parts.queues.follow(this.options.capabilities());
    parts.link.start();
  }

  /** What is offered has changed. */
  announce(): void {
    const { logger, capabilities } = this.options;
    this.parts?.queues.follow(capabilities()).catch((thrown: unknown) => {
      logger.error({ err: thrown }, 'the work queues could not be consumed');
    });
    this.beat();
  }

  /** Resolves when the last delivery is settled. */
  async drain(): Promise<void> {
    this.draining = true;
    this.beat();
    const settled = this.parts?.queues.stop();
    this.options.attempts.abortUnstarted(new CogmeshError('cancelled', 'the worker is draining'));
    await settled;
  }

  private beat(): void {
    this.parts?.link.beat().catch((thrown: unknown) => this.options.logger.warn({ err: thrown }, 'a heartbeat failed'));
  }
}
