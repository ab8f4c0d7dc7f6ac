import type { Logger } from '@cogmesh/telemetry';

export interface Refresh {
  /** Waits for a reading that is under way. */
  stop(): Promise<void>;
}

/** Reads the database again and again, for events that were missed; a database that is away is tried again next time. */
export function startRefresh(
  book: { refresh(): Promise<void> },
  { everyMs, logger }: { everyMs: number; logger: Logger },
): Refresh {
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    timer = setTimeout(() => {
      running = book
        .refresh()
        .catch((thrown: unknown) => logger.warn({ err: thrown }, 'policies could not be read again'))
        .then(() => {
          if (!stopped) next();
        });
    }, everyMs);
  };
  next();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return running;
    },
  };
}
