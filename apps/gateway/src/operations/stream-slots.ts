/** How many live streams each organisation holds. Only organisations with an open stream take memory. */
import { CogmeshError } from '@cogmesh/errors';

export class StreamSlots {
  readonly #open = new Map<string, number>();
  readonly #perOrganisation: number;

  constructor(perOrganisation: number) {
    this.#perOrganisation = perOrganisation;
  }

  /** Takes a slot and answers how to give it back (once is enough, twice is harmless). Rejects with `rate_limited`. */
  take(organisation: string): () => void {
    const held = this.#open.get(organisation) ?? 0;
    if (held >= this.#perOrganisation) {
      throw new CogmeshError('rate_limited', `${organisation} already holds ${held} live streams; close one first`, {
        limit: this.#perOrganisation,
        retryAfterSeconds: 5,
      });
    }
    this.#open.set(organisation, held + 1);
    let returned = false;
    return () => {
      if (returned) return;
      returned = true;
      this.#giveBack(organisation);
    };
  }

  #giveBack(organisation: string): void {
    const held = this.#open.get(organisation) ?? 0;
    if (held <= 1) this.#open.delete(organisation);
    else this.#open.set(organisation, held - 1);
  }
}
