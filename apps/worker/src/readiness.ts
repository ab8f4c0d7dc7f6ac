import type { Readiness } from '@cogmesh/service';
import type { EnginePool } from './engines/engine-pool.js';
import type { ModelBook } from './inference/model-book.js';

export interface ReadinessParts {
  readonly pool: EnginePool;
  readonly models: ModelBook;
  readonly connected: boolean;
  readonly enforcement: { readonly ready: boolean; readonly detail: string };
}

/** Ready with its engines and its link to the registry; each model's warmth is told, and does not hold the service back. */
export function readinessOf({ pool, models, connected, enforcement }: ReadinessParts): Readiness {
  const engines = { ready: pool.isReady, detail: `${String(pool.pids.length)} engine processes` };
  const registry = { ready: connected, detail: connected ? 'connected' : 'not connected to the registry' };
  const warm = models.models.map(({ model }) => {
    const ready = models.isWarm(model.key);
    return [
      `model ${model.key}`,
      { ready, detail: ready ? 'warm' : (pool.failureOf(model.key) ?? 'loading') },
    ] as const;
  });
  const checks = { engines, registry, enforcement, ...Object.fromEntries(warm) };
  return { ready: engines.ready && registry.ready && enforcement.ready, checks };
}
