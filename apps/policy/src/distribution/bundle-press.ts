/**
 * Signed forms of the policy sets in force, each signed once: the whole, good for `ttlMs` and signed anew when half of that is over, and
 * the change from each earlier epoch that is still known, where it is the shorter of the two.
 */
import { documentChange } from '@cogmesh/enforcement';
import type { ServiceIdentity } from '@cogmesh/identity';
import { bundlesMaxChars } from '../limits.js';
import type { Page } from '../policy-book.js';

export interface BundlePressParts {
  readonly signer: Pick<ServiceIdentity, 'signBundle' | 'signBundleDelta'>;
  readonly ttlMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Whole {
  readonly page: Page;
  readonly jws: Promise<string>;
  readonly renewAtMs: number;
}

export interface Prints {
  readonly bundles: string[];
  readonly deltas: string[];
}

/** A delta is sent where it has at most this part of the set's length. */
const deltaMaxShare = 0.5;

export class BundlePress {
  readonly #parts: BundlePressParts;
  readonly #wholes = new Map<string, Whole>();
  /** By page, then base epoch; undefined where the whole is sent. */
  readonly #deltas = new WeakMap<Page, Map<number, Promise<string | undefined>>>();

  constructor(parts: BundlePressParts) {
    this.#parts = parts;
  }

  /** What takes a holder of the known epochs to these pages, as much as fits one answer. */
  async since(
    known: ReadonlyMap<string, number>,
    pages: ReadonlyMap<string, Page>,
    takesDeltas: boolean,
  ): Promise<Prints> {
    const prints: Prints = { bundles: [], deltas: [] };
    let chars = 0;
    for (const [organisation, page] of pages) {
      const base = known.get(organisation) ?? 0;
      if (page.epoch <= base) continue;
      const delta = takesDeltas && base > 0 ? await this.#delta(organisation, page, base) : undefined;
      const jws = delta ?? (await this.#whole(organisation, page));
      chars += jws.length;
      if (prints.bundles.length + prints.deltas.length > 0 && chars > bundlesMaxChars) break;
      prints[delta === undefined ? 'bundles' : 'deltas'].push(jws);
    }
    return prints;
  }

  #whole(organisation: string, page: Page): Promise<string> {
    const { signer, ttlMs, now } = this.#parts;
    const known = this.#wholes.get(organisation);
    if (known?.page === page && now() < known.renewAtMs) return known.jws;
    const { epoch, document } = page;
    const notBeforeMs = now();
    const claims = { organisation, epoch, policies: document, notBeforeMs, expiresAtMs: notBeforeMs + ttlMs };
    const jws = signer.signBundle(claims);
    this.#wholes.set(organisation, { page, jws, renewAtMs: notBeforeMs + ttlMs / 2 });
    jws.catch(() => this.#wholes.delete(organisation));
    return jws;
  }

  #delta(organisation: string, page: Page, base: number): Promise<string | undefined> {
    let deltas = this.#deltas.get(page);
    if (deltas === undefined) this.#deltas.set(page, (deltas = new Map()));
    let delta = deltas.get(base);
    if (delta === undefined) {
      delta = this.#print(organisation, page, base);
      deltas.set(base, delta);
      delta.catch(() => deltas.delete(base));
    }
    return delta;
  }

  async #print(organisation: string, page: Page, base: number): Promise<string | undefined> {
    const earlier = page.earlier.find(({ epoch }) => epoch === base);
    const change = earlier && documentChange(earlier.document, page.document);
    if (change === undefined) return undefined;
    // Judged unsigned: either signature of a large set takes as long as everything else together.
    if (JSON.stringify(change).length > JSON.stringify(page.document).length * deltaMaxShare) return undefined;
    const expiresAtMs = this.#parts.now() + this.#parts.ttlMs;
    const { epoch } = page;
    return this.#parts.signer.signBundleDelta({ organisation, base, epoch, ...change, expiresAtMs });
  }
}
