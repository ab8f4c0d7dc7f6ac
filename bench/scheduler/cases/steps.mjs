/** Latency of dependent work, throughput of independent work, and how fast a large document is taken in. */
import { chain, fan, flat, layers } from '../documents.mjs';
import { median, quantile, rounded } from '../figures.mjs';
import { cpuSeconds, until } from '../world.mjs';

const CHAIN = 40;
const WIDTH = 1_000;
const RUN_TASKS = 2_000;

const allMarks = async (agents) => (await Promise.all(agents.map((agent) => agent.marks()))).flat();
const total = async (agents) =>
  (await Promise.all(agents.map((agent) => agent.count()))).reduce((sum, each) => sum + each, 0);

/** Waits for the end of a large run without asking for its tasks. */
export const ended = (client, ids, options) =>
  until(
    'the runs end',
    async () => {
      for await (const page of client.listRuns({ pageSize: 100 })) {
        const found = page.filter((run) => ids.includes(run.id));
        const failed = found.find(({ state }) => state === 'FAILED' || state === 'CANCELLED');
        if (failed) throw new Error(`run ${failed.id} is ${failed.state}: ${JSON.stringify(failed.error)}`);
        return found.length === ids.length && found.every(({ state }) => state === 'SUCCEEDED');
      }
      return false;
    },
    { timeoutMs: 300_000, ...options },
  );

/** From the start of one handler to the start of the next, milliseconds. */
export async function chainSteps({ clients, agents }, rounds, organisation = 'acme') {
  const steps = [];
  for (let round = 0; round <= rounds; round++) {
    const before = await total(agents);
    const run = await clients[organisation].submitRun(chain(CHAIN));
    // Asking the gateway for the end again and again would be a good part of the load that is measured.
    await until('the handlers have been called', async () => (await total(agents)) >= before + CHAIN);
    await ended(clients[organisation], [run.id]);
    const ours = (await allMarks(agents)).filter((mark) => mark[1] === run.id);
    const starts = ours.map((mark) => mark[3]).toSorted((a, b) => a - b);
    // The first round warms both sides up.
    if (round > 0) for (let i = 1; i < starts.length; i++) steps.push(starts[i] - starts[i - 1]);
  }
  return { p50: rounded(median(steps)), p95: rounded(quantile(steps, 0.95)) };
}

/** From the end of the first task to the start of the last, milliseconds. */
export async function fanOut({ clients, agents }, rounds) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const run = await clients.acme.submitRun(fan(WIDTH));
    await ended(clients.acme, [run.id]);
    const marks = await allMarks(agents);
    const at = (task, field) => marks.find((mark) => mark[2] === task)[field];
    times.push(at('last', 3) - at('first', 4));
  }
  return rounded(median(times), 0);
}

/**
 * No-op tasks per second, between the first tenth and the last of all handler calls, so that neither the submit nor the tail
 * counts. CPU seconds per second of each process over the whole time.
 */
export async function sustained({ mesh, clients, agents }, tasks) {
  await allMarks(agents);
  const names = ['scheduler', 'registry', 'registry-sidecar', 'gateway', 'rabbitmq'];
  const pids = [...new Set(names.map((name) => mesh.pidOf(name)))];
  const cpu = () => pids.map(cpuSeconds);
  const [before, startedAt, had] = [cpu(), performance.now(), await total(agents)];
  const runs = Array.from({ length: tasks / RUN_TASKS }, () => clients.acme.submitRun(flat(RUN_TASKS)));
  const ids = (await Promise.all(runs)).map(({ id }) => id);
  await until('all handlers are called', async () => (await total(agents)) - had >= tasks, {
    timeoutMs: 300_000,
    everyMs: 100,
  });
  await ended(clients.acme, ids, { everyMs: 50 });
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = cpu();
  const busy = Object.fromEntries(pids.map((_, i) => [names[i], rounded((after[i] - before[i]) / seconds)]));
  const times = (await allMarks(agents)).map((mark) => mark[4]).toSorted((a, b) => a - b);
  const [from, to] = [Math.floor(times.length * 0.1), Math.floor(times.length * 0.9)];
  return {
    perSecond: rounded(((to - from) * 1_000) / (times[to] - times[from]), 0),
    overall: rounded(tasks / seconds, 0),
    busy,
  };
}

/** From the request to the durable answer, milliseconds. */
export async function submitLarge({ clients }, count, rounds) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const text = JSON.stringify(layers(count));
    const startedAt = performance.now();
    const { id } = await clients.small.submitRunText(text);
    times.push(performance.now() - startedAt);
    await clients.small.cancelRun(id);
  }
  return rounded(median(times), 0);
}
