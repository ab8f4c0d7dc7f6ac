import { setTimeout as delay } from 'node:timers/promises';
import { healthV1 } from '@cogmesh/contracts';
import type { ServiceBinding } from './server.js';
import { implement } from './server.js';

const WATCH_INTERVAL_MS = 1_000;

/** The standard health service: one answer for the server and all its services. */
export function healthBinding(healthy: () => boolean): ServiceBinding {
  const { SERVING, NOT_SERVING } = healthV1.HealthCheckResponse_ServingStatus;
  const status = () => ({ status: healthy() ? SERVING : NOT_SERVING });
  const binding = implement(healthV1.Health, {
    check: async () => status(),
    watch: async function* (_request, { signal }) {
      let last: number | undefined;
      while (!signal.aborted) {
        const now = status();
        if (now.status !== last) yield now;
        last = now.status;
        await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {});
      }
    },
  });
  return { ...binding, open: true };
}
