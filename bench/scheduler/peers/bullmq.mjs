/** BullMQ: chain and fan-out as flows (children first), the rest as bulk adds. Two workers of 250 in this process. */
import { FlowProducer, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { gather, measure } from './measure.mjs';

const { hostname: host, port } = new URL(process.env.PEER_URL);
const connection = new Redis({ host, port: Number(port), maxRetriesPerRequest: null });
const queue = new Queue('noop', { connection });
const flow = new FlowProducer({ connection });
let note = () => {};
const workers = [1, 2].map(
  () =>
    new Worker('noop', async (job) => void note(job.name), {
      connection,
      concurrency: 250,
      removeOnComplete: { count: 0 },
    }),
);
await Promise.all(workers.map((worker) => worker.waitUntilReady()));

const job = (name, children) => ({ name, queueName: 'noop', data: {}, ...(children ? { children } : {}) });

async function chain(length) {
  const gathered = gather(length);
  note = gathered.note;
  let node = job('t0');
  for (let i = 1; i < length; i++) node = job(`t${i}`, [node]);
  await flow.add(node);
  return gathered.done;
}

async function fan(width) {
  // A flow is a tree, so "one before all" is a job whose handler adds the rest.
  const at = {};
  const { promise, resolve } = Promise.withResolvers();
  note = (name) => {
    if (name === 'first') {
      at.firstEnded = performance.now();
      void flow.add(
        job(
          'last',
          Array.from({ length: width }, (_, i) => job(`t${i}`)),
        ),
      );
    } else if (name === 'last') resolve({ ...at, lastStarted: performance.now() });
  };
  await queue.add('first', {});
  return promise;
}

async function flat(count) {
  const gathered = gather(count);
  note = gathered.note;
  for (let left = count; left > 0; left -= 1_000) {
    await queue.addBulk(Array.from({ length: Math.min(left, 1_000) }, (_, i) => ({ name: `t${i}`, data: {} })));
  }
  return gathered.done;
}

await measure({ chain, fan, flat });
process.exit(0);
