/** Notices that another scheduler has stored limits, shares or pauses, and has them read anew. */
export interface ScopesWatchOptions {
  /** Changes with every change. */
  readonly store: { version(): Promise<string> };
  readonly onChanged: () => Promise<void>;
}

export class ScopesWatch {
  readonly #options: ScopesWatchOptions;
  #known: string | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: ScopesWatchOptions) {
    this.#options = options;
  }

  /** Never rejects: what could not be read is looked at again. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => undefined)
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const version = await this.#options.store.version();
    if (version === this.#known) return;
    await this.#options.onChanged();
    this.#known = version;
  }
}
