/** The slots a capability needed, for as long as the stabilisation window: like the horizontal autoscaler of Kubernetes, the highest counts. */
export class Needs {
  readonly #windowMs: number;
  /** Oldest first, each higher than all after it: only these can still be the highest. */
  #needs: { readonly atMs: number; readonly slots: number }[] = [];
  #sinceMs: number | undefined;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  note(slots: number, nowMs: number): void {
    this.#sinceMs ??= nowMs;
    this.#needs = this.#needs.filter((need) => need.slots > slots && nowMs - need.atMs < this.#windowMs);
    this.#needs.push({ atMs: nowMs, slots });
  }

  /** Undefined until the whole window was watched, so that a restart takes nothing away. */
  highest(nowMs: number): number | undefined {
    if (this.#sinceMs === undefined || nowMs - this.#sinceMs < this.#windowMs) return undefined;
    return this.#needs[0]?.slots;
  }
}
