/** graphile-worker: it has no dependencies, so a job's handler adds the next; two runners of 10 with batched local queues. */
import { makeWorkerUtils, run } from 'graphile-worker';
import { Pool } from 'pg';
import { gather, measure } from './measure.mjs';

const connectionString = process.env.PEER_URL;
const utils = await makeWorkerUtils({ connectionString });
await utils.migrate();
const pool = new Pool({ connectionString, max: 30 });
let handle = async () => {};
const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const { Logger } = await import('graphile-worker');
const logger = new Logger(() => (level, message) => level === 'error' && quiet.error(message));
for (let i = 0; i < 2; i++) {
  await run({
    pgPool: pool,
    concurrency: 10,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger,
    taskList: { noop: (payload, helpers) => handle(payload, helpers) },
  });
}

async function chain(length) {
  const gathered = gather(length);
  handle = async ({ at }, helpers) => {
    gathered.note();
    if (at + 1 < length) await helpers.addJob('noop', { at: at + 1 });
  };
  await utils.addJob('noop', { at: 0 });
  return gathered.done;
}

async function fan(width) {
  const at = {};
  let left = width;
  const { promise, resolve } = Promise.withResolvers();
  handle = async ({ kind }, helpers) => {
    if (kind === 'first') {
      at.firstEnded = performance.now();
      await utils.addJobs(Array.from({ length: width }, () => ({ identifier: 'noop', payload: { kind: 'middle' } })));
    } else if (kind === 'last') resolve({ ...at, lastStarted: performance.now() });
    else if (--left === 0) await helpers.addJob('noop', { kind: 'last' });
  };
  await utils.addJob('noop', { kind: 'first' });
  return promise;
}

async function flat(count) {
  const gathered = gather(count);
  handle = async () => gathered.note();
  for (let left = count; left > 0; left -= 1_000) {
    await utils.addJobs(Array.from({ length: Math.min(left, 1_000) }, () => ({ identifier: 'noop', payload: {} })));
  }
  return gathered.done;
}

await measure({ chain, fan, flat });
process.exit(0);
