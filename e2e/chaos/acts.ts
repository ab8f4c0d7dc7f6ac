/** What callers do to a run while it is under way, planned ahead. Times are milliseconds after it was accepted. */
import type { Chance } from './chance.js';

export interface Acts {
  readonly cancelAfterMs?: number;
  readonly pause?: { readonly afterMs: number; readonly forMs: number };
  readonly priority?: { readonly afterMs: number; readonly to: number };
  /** The same document is submitted again under the same key; another document is, too. */
  readonly submitsAgain: boolean;
  /** Its history is followed live. */
  readonly isFollowed: boolean;
}

export const randomActs = (chance: Chance): Acts => ({
  ...(chance.happens(0.12) ? { cancelAfterMs: chance.below(5_000) } : {}),
  ...(chance.happens(0.12) ? { pause: { afterMs: chance.below(2_000), forMs: chance.between(200, 3_000) } } : {}),
  ...(chance.happens(0.1) ? { priority: { afterMs: chance.below(1_500), to: chance.below(10) } } : {}),
  submitsAgain: chance.happens(0.1),
  isFollowed: chance.happens(0.3),
});
