/**
 * Free slots of one agent. In use is always counted from the attempts held, never kept as a number of its own, so a lost
 * release cannot leak a credit for ever: whoever ends the attempt frees it.
 */
export class CreditLedger {
  readonly #credits = new Map<string, number>();
  /** Attempt id -> capability. */
  readonly #held = new Map<string, string>();

  /** The announced credits; replaces the earlier list. What is held stays held even above the new number. */
  announce(capabilities: readonly { readonly name: string; readonly credits: number }[]): void {
    this.#credits.clear();
    for (const { name, credits } of capabilities) this.#credits.set(name, credits);
  }

  free(capability: string): number {
    const used = [...this.#held.values()].filter((held) => held === capability).length;
    return Math.max(0, (this.#credits.get(capability) ?? 0) - used);
  }

  /** True when the attempt holds a credit now, also when it already did. */
  take(attemptId: string, capability: string): boolean {
    if (this.#held.has(attemptId)) return true;
    if (this.free(capability) === 0) return false;
    this.#held.set(attemptId, capability);
    return true;
  }

  /** An attempt that is known to run already, whatever the credits say. */
  hold(attemptId: string, capability: string): void {
    this.#held.set(attemptId, capability);
  }

  /** False when it held none. */
  release(attemptId: string): boolean {
    return this.#held.delete(attemptId);
  }

  get held(): readonly string[] {
    return [...this.#held.keys()];
  }
}
