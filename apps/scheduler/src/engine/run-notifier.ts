/** Wakes watchers of a run in this process. A missed wake-up costs a watcher its polling interval, never an event. */
export class RunNotifier {
  readonly #listeners = new Map<string, Set<() => void>>();

  notify(runId: string): void {
    for (const wake of this.#listeners.get(runId) ?? []) wake();
  }

  listen(runId: string, wake: () => void): () => void {
    let listeners = this.#listeners.get(runId);
    if (!listeners) this.#listeners.set(runId, (listeners = new Set()));
    listeners.add(wake);
    return () => {
      listeners.delete(wake);
      if (listeners.size === 0) this.#listeners.delete(runId);
    };
  }
}
