/** The agent's state now, as it measures itself: processor use of its process and its host, and how busy it has been. */
import { cpus } from 'node:os';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import type { registryV1 } from '@cogmesh/contracts';

/** Weight of the newest run time in the moving average. */
const NEWEST_WEIGHT = 0.1;
/** Rates over less time than this are noise. */
const SHORTEST_MS = 250;

export class PortraitPainter {
  #running = 0;
  #completed = 0;
  #latencyMs = 0;
  /** Sum over time of what ran, in milliseconds, up to `#countedAt`. */
  #busyMs = 0;
  #countedAt = performance.now();
  #rates = { cpu: 0, hostCpu: 0, meanRunning: 0 };
  #last = { at: performance.now(), processMs: processMs(), busyMs: 0, host: hostTimes() };

  started(): void {
    this.#count();
    this.#running += 1;
  }

  ended(tookMs: number): void {
    this.#count();
    this.#running -= 1;
    this.#latencyMs += (tookMs - this.#latencyMs) * (this.#completed === 0 ? 1 : NEWEST_WEIGHT);
    this.#completed += 1;
  }

  /** Rates are over the time since the call before, or the ones of then when it was a moment ago. */
  paint(): MessageInitShape<typeof registryV1.PortraitSchema> {
    this.#count();
    if (performance.now() - this.#last.at >= SHORTEST_MS) this.#measure();
    return {
      time: timestampNow(),
      memoryBytes: BigInt(process.memoryUsage.rss()),
      running: this.#running,
      latencyMs: this.#latencyMs,
      completed: BigInt(this.#completed),
      ...this.#rates,
    };
  }

  #measure(): void {
    const before = this.#last;
    const now = { at: performance.now(), processMs: processMs(), busyMs: this.#busyMs, host: hostTimes() };
    const elapsedMs = now.at - before.at;
    const [hostMs, idleMs] = [now.host.total - before.host.total, now.host.idle - before.host.idle];
    this.#last = now;
    this.#rates = {
      cpu: (now.processMs - before.processMs) / elapsedMs,
      hostCpu: hostMs > 0 ? Math.max(0, 1 - idleMs / hostMs) : 0,
      meanRunning: (now.busyMs - before.busyMs) / elapsedMs,
    };
  }

  #count(): void {
    const now = performance.now();
    this.#busyMs += this.#running * (now - this.#countedAt);
    this.#countedAt = now;
  }
}

function processMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds of all cores together. */
function hostTimes(): { total: number; idle: number } {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    total: user + nice + sys + irq + idle,
    idle,
  }));
  return {
    total: times.reduce((sum, { total }) => sum + total, 0),
    idle: times.reduce((sum, { idle }) => sum + idle, 0),
  };
}
