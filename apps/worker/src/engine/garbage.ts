/**
 * Keeps an engine's resident memory near what it uses. Tensors are megabytes outside the JavaScript heap, so the heap looks
 * empty and its collector does not run; this runs it when enough of them have piled up. Needs --expose-gc.
 */

/** Growth of array buffers since the last collection that asks for another, bytes. */
const growthBytes = 12 * 1024 * 1024;

let keptBytes = 0;

/** Call between runs; costs microseconds unless it collects. */
export function collectTensors(): void {
  const { gc } = globalThis;
  if (!gc || process.memoryUsage().arrayBuffers - keptBytes < growthBytes) return;
  void gc();
  keptBytes = process.memoryUsage().arrayBuffers;
}

/** Call when something large was thrown away, such as a script's sandbox. */
export function collectNow(): void {
  void globalThis.gc?.();
}
