import type { NeededAccess } from '@cogmesh/scheduling-core';
import type { Creator } from '../model/schedule.js';

/** The policy service, as firings need it. */
export interface Decisions {
  /** Rejects with `permission_denied`, or with `unavailable` or `stale_policy` when nobody can decide now. */
  require(creator: Creator, needed: readonly NeededAccess[]): Promise<void>;
}
