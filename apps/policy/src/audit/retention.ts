/** Removes what is older than it has to be kept, from the old end of each chain; what stays can be verified as before. */
import type { Logger } from '@cogmesh/telemetry';
import type { AuditStore } from './audit-store.js';
import { retentionBlocksMax } from './limits.js';

export interface RetentionOptions {
  readonly store: AuditStore;
  /** How long entries are kept after they came in, milliseconds. */
  readonly keepMs: number;
  readonly logger: Logger;
}

/** One pass. How many rows were removed. */
export async function removeOldAudit({ store, keepMs, logger }: RetentionOptions): Promise<number> {
  const before = (await store.now()) - keepMs;
  let removed = 0;
  for (const organisation of await store.organisations()) {
    for (;;) {
      const some = await store.removeBefore(organisation, before, retentionBlocksMax);
      removed += some;
      if (some < retentionBlocksMax) break;
    }
  }
  await store.forgetSpools(before);
  if (removed > 0) logger.info({ rows: removed }, 'old entries of the decision log were removed');
  return removed;
}

/** A pass now and then; a database that is away is tried again next time. */
export function startAuditRetention(options: RetentionOptions & { readonly everyMs: number }): {
  stop(): Promise<void>;
} {
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(() =>
      removeOldAudit(options).catch((thrown: unknown) => {
        options.logger.warn({ err: thrown }, 'old entries of the decision log could not be removed');
      }),
    );
  }, options.everyMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
