/** A wake-up that is remembered until somebody waits for it. One waiter. */
export class Signal {
  #set = false;
  #wake: (() => void) | undefined;

  set(): void {
    this.#set = true;
    this.#wake?.();
  }

  /** Resolves when the signal is set, or after `timeoutMs`; clears it. */
  async wait(timeoutMs?: number): Promise<void> {
    if (!this.#set) {
      await new Promise<void>((resolve) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#set = false;
  }
}
