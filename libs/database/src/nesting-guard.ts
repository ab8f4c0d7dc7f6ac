import { AsyncLocalStorage } from 'node:async_hooks';
import { CogmeshError } from '@cogmesh/errors';

/**
 * Knows whether the calling code runs inside a transaction of the same database. The outer database used there would
 * wait for its own transaction (SQLite) or act outside it (PostgreSQL): both are refused, alike.
 */
export class NestingGuard {
  readonly #inside = new AsyncLocalStorage<{ open: boolean }>();

  async within<T>(work: () => Promise<T>): Promise<T> {
    const transaction = { open: true };
    try {
      return await this.#inside.run(transaction, work);
    } finally {
      // Work started in here may outlive it (a timer, a loop) and is then outside again.
      transaction.open = false;
    }
  }

  /** Throws `failed_precondition` inside a transaction. */
  refuseInside(): void {
    if (this.#inside.getStore()?.open) {
      throw new CogmeshError(
        'failed_precondition',
        'inside a transaction use the runner it was given, not the database',
      );
    }
  }
}
