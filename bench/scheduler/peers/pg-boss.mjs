/** pg-boss: a job's handler sends the next; two workers that fetch 250 at a time, polling as often as it allows. */
import { PgBoss } from 'pg-boss';
import { gather, measure } from './measure.mjs';

const boss = new PgBoss({ connectionString: process.env.PEER_URL, max: 20 });
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.createQueue('noop');
let handle = async () => {};
for (let i = 0; i < 2; i++) {
  await boss.work('noop', { batchSize: 250, pollingIntervalSeconds: 0.5 }, async (jobs) => {
    for (const job of jobs) await handle(job.data);
  });
}

const insert = (count, data) =>
  boss.insert(
    'noop',
    Array.from({ length: count }, () => ({ data })),
  );

async function chain(length) {
  const gathered = gather(length);
  handle = async ({ at }) => {
    gathered.note();
    if (at + 1 < length) await boss.send('noop', { at: at + 1 });
  };
  await boss.send('noop', { at: 0 });
  return gathered.done;
}

async function fan(width) {
  const at = {};
  let left = width;
  const { promise, resolve } = Promise.withResolvers();
  handle = async ({ kind }) => {
    if (kind === 'first') {
      at.firstEnded = performance.now();
      await insert(width, { kind: 'middle' });
    } else if (kind === 'last') resolve({ ...at, lastStarted: performance.now() });
    else if (--left === 0) await boss.send('noop', { kind: 'last' });
  };
  await boss.send('noop', { kind: 'first' });
  return promise;
}

async function flat(count) {
  const gathered = gather(count);
  handle = async () => gathered.note();
  for (let left = count; left > 0; left -= 1_000) await insert(Math.min(left, 1_000), {});
  return gathered.done;
}

await measure({ chain, fan, flat });
process.exit(0);
