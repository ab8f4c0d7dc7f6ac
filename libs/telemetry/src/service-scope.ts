/**
 * Which service the current code belongs to. In a process of its own that is fixed at start; all in one, five services
 * share a process and each runs inside its own scope, so that its spans and logs carry its name.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const scope = new AsyncLocalStorage<string>();
let processService = 'cogmesh';

/** The name used outside any scope. */
export function setProcessService(service: string): void {
  processService = service;
}

export function currentService(): string {
  return scope.getStore() ?? processService;
}

/** Runs `work`, and all it starts, as `service`. */
export function inService<T>(service: string, work: () => T): T {
  return scope.run(service, work);
}

/** `work` bound to the scope of now, wherever it is called from later: for callbacks that others invoke. */
export function bindService<Arguments extends unknown[], Result>(
  work: (...args: Arguments) => Result,
): (...args: Arguments) => Result {
  const service = currentService();
  return (...args) => scope.run(service, () => work(...args));
}
