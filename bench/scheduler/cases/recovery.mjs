/** kill -9 of an agent and of the scheduler in the middle of work: seconds until that work goes on. */
import { setTimeout as delay } from 'node:timers/promises';
import { chain, flat } from '../documents.mjs';
import { rounded } from '../figures.mjs';
import { until } from '../world.mjs';
import { ended } from './steps.mjs';

const now = () => performance.timeOrigin + performance.now();
const seconds = (ms) => rounded(ms / 1_000);
/** Twelve tasks of 1.2 s: six on each agent. */
const long = () => flat(12, { tool: 'steady', sizes: [30] });

const chainMarks = async (agents, runId) =>
  (await Promise.all(agents.map((agent) => agent.marks()))).flat().filter((mark) => mark[1] === runId);

export async function recoverScheduler({ mesh, clients, agents }, { organisation = 'acme', timeoutMs } = {}) {
  const { id } = await clients[organisation].submitRun(chain(200));
  await until('the chain runs', async () => (await chainMarks(agents, id)).length > 0, { timeoutMs });
  process.kill(mesh.pidOf('scheduler'), 'SIGKILL');
  const killedAt = now();
  // What was under way may still come through; a step claimed by the next process is what counts.
  await delay(200);
  await chainMarks(agents, id);
  let next;
  await until(
    'the chain goes on',
    async () => {
      next = (await chainMarks(agents, id)).map((mark) => mark[3]).toSorted((a, b) => a - b)[0];
      return next !== undefined;
    },
    { timeoutMs },
  );
  await clients[organisation].cancelRun(id);
  return seconds(next - killedAt);
}

/** Kills the first agent: last of the cases. Until every task it held is running elsewhere. */
export async function recoverAgent({ clients, agents: [victim, other] }) {
  await other.marks();
  const { id } = await clients.acme.submitRun(long());
  await delay(800);
  victim.kill();
  const killedAt = now();
  await ended(clients.acme, [id]);
  const starts = (await other.marks()).map((mark) => mark[3]);
  return seconds(Math.max(...starts) - killedAt);
}
