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

/** The runs, and milliseconds of each submit. */
async function queue({ clients }, tasks) {
  const [ids, times] = [[], []];
  let left = tasks;
  const submitSome = async () => {
    while (left > 0) {
      const count = Math.min(left, PER_RUN);
      left -= count;
      const startedAt = performance.now();
      ids.push((await clients.flood.submitRun(flat(count, { tool: 'rare', priority: 9 }))).id);
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: SUBMITS_AT_ONCE }, submitSome));
  return { ids, submit_ms: rounded(median(times), 0) };
}

async function look(world, tasks) {
  const pid = world.mesh.pidOf('scheduler');
  const before = cpuSeconds(pid);
  await delay(LOOK_MS);
  const idle = rounded(((cpuSeconds(pid) - before) * 1_000) / LOOK_MS);
  const { p50, p95 } = await chainSteps(world, CHAIN_ROUNDS, 'small');
  return { tasks, rss_mb: residentMb(pid), idle_cpu: idle, step_ms_p50: p50, step_ms_p95: p95 };
}

async function kill(world) {
  const options = { organisation: 'small', timeoutMs: TAKEOVER_LIMIT_MS };
  const takeover = await recoverScheduler(world, options);
  return { takeover_s: takeover, rss_mb_after_takeover: residentMb(world.mesh.pidOf('scheduler')) };
}

async function fill(world, { most, tell }) {
  const [rows, runs] = [[], []];
  for (const tasks of levels.filter((level) => level <= most)) {
    const { ids, submit_ms } = await queue(world, tasks - (rows.at(-1)?.tasks ?? 0));
    runs.push(...ids);
    const row = { ...(await look(world, tasks)), submit_ms };
    rows.push(tell('queued', tasks < KILLED_FROM ? row : { ...row, ...(await kill(world)) }));
  }
  return { rows, runs };
}

/**
 * The table by tasks queued; the figures at a million only when so many were queued. Steps are compared with the mean of an
 * empty queue before and after, since the machine may be busier at one time than at another.
 */
export async function manyQueued(world, { most, tell }) {
  const before = tell('queued', await look(world, 0));
  const { rows, runs } = await fill(world, { most, tell });
  for (const id of runs) await world.clients.flood.cancelRun(id);
  const after = tell('queued, after cancelling all', await look(world, 0));
  const emptyMs = (before.step_ms_p50 + after.step_ms_p50) / 2;
  const queued = [before, ...rows, after].map((row) => ({
    ...row,
    dispatch_ratio: rounded(row.step_ms_p50 / emptyMs),
  }));
  const ratios = queued.map((row) => `${row.tasks}: ${row.dispatch_ratio}`);
  tell('steps to those of an empty queue', ratios.join(', '));
  const last = queued.at(-2);
  if (last.tasks < MILLION) return { queued };
  return {
    queued,
    rss_mb_at_1m: Math.max(last.rss_mb, last.rss_mb_after_takeover),
    dispatch_ratio_at_1m: last.dispatch_ratio,
    takeover_s_at_1m: last.takeover_s,
  };
}
