/** One agent in a process of its own, served by the public SDK: tools that wait `ms` (0: return at once) and note each call. */
import { setTimeout as delay } from 'node:timers/promises';
import { createAgent } from '@cogmesh/sdk';

const now = () => performance.timeOrigin + performance.now();

let marks = [];
let count = 0;
let agent;

async function start({ registry, token, tools }) {
  agent = createAgent({ registry, token, name: `bench-${process.pid}` });
  for (const [name, { concurrency, ms }] of Object.entries(tools)) {
    const handler = async (input, { organisation, runId, taskId }) => {
      const startedAt = now();
      if (ms > 0) await delay(ms * (input?.size ?? 1));
      count += 1;
      marks.push([organisation, runId, taskId, startedAt, now()]);
      return null;
    };
    agent.handle(`acme/${name}`, handler, { concurrency });
  }
  await agent.start();
  agent.closed.then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

process.on('message', async (message) => {
  if (message.start) {
    await start(message.start);
    process.send('started');
  } else if (message.marks) {
    process.send(marks);
    marks = [];
  } else process.send(count);
});
process.on('disconnect', () => process.exit(1));
