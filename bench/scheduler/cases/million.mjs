/**
 * What waiting work costs those who do not wait: one organisation queues up to a million tasks for a tool with two slots,
 * and at each power of ten another one runs chains, memory is read, and at the larger ones the scheduler is killed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { flat } from '../documents.mjs';
import { median, rounded } from '../figures.mjs';
import { cpuSeconds, residentMb } from '../world.mjs';
import { recoverScheduler } from './recovery.mjs';
import { chainSteps } from './steps.mjs';

const PER_RUN = 10_000;
const SUBMITS_AT_ONCE = 2;
const CHAIN_ROUNDS = 5;
const KILLED_FROM = 10_000;
const LOOK_MS = 3_000;
const TAKEOVER_LIMIT_MS = 300_000;
const MILLION = 1_000_000;
const levels = [1_000, 10_000, 100_000, MILLION];

const tools = { noop: { concurrency: 250, ms: 0 }, rare: { concurrency: 1, ms: 1_000 } };
export const millionAgents = [tools, tools];

/** Milliseconds of each submit. */
async function queue({ clients }, tasks) {
  const times = [];
  let left = tasks;
  const submitSome = async () => {
    while (left > 0) {
      const count = Math.min(left, PER_RUN);
      left -= count;
      const startedAt = performance.now();
      await clients.flood.submitRun(flat(count, { tool: 'rare', priority: 9 }));
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: SUBMITS_AT_ONCE }, submitSome));
  return times;
}

async function look(world, { tasks, times, emptyMs }) {
  const { mesh } = world;
  const pid = mesh.pidOf('scheduler');
  const before = cpuSeconds(pid);
  await delay(LOOK_MS);
  const busy = rounded(((cpuSeconds(pid) - before) * 1_000) / LOOK_MS);
  const { p50, p95 } = await chainSteps(world, CHAIN_ROUNDS, 'small');
  return {
    tasks,
    rss_mb: residentMb(pid),
    idle_cpu: busy,
    step_ms_p50: p50,
    step_ms_p95: p95,
    dispatch_ratio: rounded(p50 / (emptyMs ?? p50)),
    ...(times.length > 0 ? { submit_ms: rounded(median(times), 0) } : {}),
  };
}

/** The table by tasks queued; the figures at a million only when so many were queued. */
export async function manyQueued(world, { most, tell }) {
  const queued = [tell('queued', await look(world, { tasks: 0, times: [] }))];
  const emptyMs = queued[0].step_ms_p50;
  for (const tasks of levels.filter((level) => level <= most)) {
    const times = await queue(world, tasks - queued.at(-1).tasks);
    const found = await look(world, { tasks, times, emptyMs });
    if (tasks >= KILLED_FROM) {
      found.takeover_s = await recoverScheduler(world, { organisation: 'small', timeoutMs: TAKEOVER_LIMIT_MS });
      found.rss_mb_after_takeover = residentMb(world.mesh.pidOf('scheduler'));
    }
    queued.push(tell('queued', found));
  }
  const last = queued.at(-1);
  if (last.tasks < MILLION) return { queued };
  const { rss_mb, rss_mb_after_takeover, dispatch_ratio, takeover_s } = last;
  return {
    queued,
    rss_mb_at_1m: Math.max(rss_mb, rss_mb_after_takeover),
    dispatch_ratio_at_1m: dispatch_ratio,
    takeover_s_at_1m: takeover_s,
  };
}
