/**
 * The worker's state now, for heartbeats: load, memory and processor use of its process and its engines. Engines are read
 * from /proc; where there is none (not Linux) only this process counts.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { registryV1 } from '@cogmesh/contracts';
import type { EnginePool } from './engines/engine-pool.js';
import type { Inference } from './inference/inference.js';
import type { ModelBook } from './inference/model-book.js';

export type PortraitInit = MessageInitShape<typeof registryV1.PortraitSchema>;

/** Linux's USER_HZ, the unit of times in /proc/<pid>/stat; 100 on every platform Node supports. */
const ticksPerSecond = 100;

export class PortraitPainter {
  private usedSeconds = new Map<number, number>();
  private lastAt = performance.now();
  private host = hostTimes();

  constructor(
    private readonly pool: EnginePool,
    private readonly models: ModelBook,
    private readonly inference: Inference,
  ) {}

  async paint(): Promise<PortraitInit> {
    const processes = [own(), ...(await Promise.all(this.pool.pids.map(engineUse)))].filter((use) => use !== undefined);
    const now = performance.now();
    const elapsedSeconds = (now - this.lastAt) / 1000;
    const spentSeconds = processes.reduce(
      (sum, use) => sum + use.seconds - (this.usedSeconds.get(use.pid) ?? use.seconds),
      0,
    );
    this.usedSeconds = new Map(processes.map((use) => [use.pid, use.seconds]));
    this.lastAt = now;
    const before = this.host;
    this.host = hostTimes();
    const [hostMs, idleMs] = [this.host.total - before.total, this.host.idle - before.idle];
    return {
      time: timestampFromMs(Date.now()),
      cpu: elapsedSeconds > 0 ? Math.max(0, spentSeconds / elapsedSeconds) : 0,
      hostCpu: hostMs > 0 ? Math.max(0, 1 - idleMs / hostMs) : 0,
      memoryBytes: BigInt(processes.reduce((sum, use) => sum + use.bytes, 0)),
      ...this.inference.load(),
      warmModels: this.models.models.map(({ model }) => model.key).filter((key) => this.models.isWarm(key)),
      providers: ['cpu'],
    };
  }
}

interface ProcessUse {
  readonly pid: number;
  readonly seconds: number;
  readonly bytes: number;
}

/** Milliseconds of all cores together. */
function hostTimes(): { total: number; idle: number } {
  const times = cpus().map((core) => core.times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  return { idle, total: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
}

function own(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return { pid: process.pid, seconds: (user + system) / 1e6, bytes: process.memoryUsage.rss() };
}

async function engineUse(pid: number): Promise<ProcessUse | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Fields after the name in parentheses: user and system ticks are 12th and 13th, resident pages the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (index: number): number => Number(fields[index] ?? 0);
    return { pid, seconds: (field(11) + field(12)) / ticksPerSecond, bytes: field(21) * 4096 };
  } catch {
    return undefined;
  }
}
