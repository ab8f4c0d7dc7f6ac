/**
 * How many decisions the log has lost: those of one subject, asked for as fast as answers come, against those that the
 * policy service lists afterwards, equal ones with their count.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { requestOf, sequence } from './generator.mjs';
import { load } from './http-load.mjs';
import { BATCH, evaluationsOf } from './questions.mjs';

const KINDS = 50;
const PAGE = 500;
/** Together longer than decisions are gathered at the gateway and wait to be sent. */
const QUIET_LOOKS = 5;
const LOOK_EVERY_MS = 500;
const LIMIT_MS = 60_000;

export async function logDrops({ port, place, token, connections, ms }) {
  const sub = 'audited';
  const below = sequence(11);
  const lists = Array.from({ length: KINDS }, () =>
    Array.from({ length: BATCH }, () => ({ ...requestOf(place, below) })).map((request) => ({
      ...request,
      subject: { ...request.subject, sub },
    })),
  );
  const bytes = lists.map((requests) => evaluationsOf(requests, token));
  const { answered } = await load({ port, requestOf: (n) => bytes[n % bytes.length], connections, ms });
  const get = async (query) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/audit?${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(`the decision log: HTTP ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  await untilQuiet(get);
  return answered * BATCH - (await listed(get, sub));
}

/** Until nothing has come for a while but the entries about these questions themselves. */
async function untilQuiet(get) {
  const limit = performance.now() + LIMIT_MS;
  for (let [last, quiet] = [0, 0]; quiet < QUIET_LOOKS;) {
    const { entries } = await get('limit=1');
    const position = entries[0]?.position ?? 0;
    quiet = position - last <= QUIET_LOOKS ? quiet + 1 : 0;
    last = position;
    if (performance.now() > limit) throw new Error(`the decision log is not quiet after ${LIMIT_MS / 1_000} s`);
    await delay(LOOK_EVERY_MS);
  }
}

async function listed(get, sub) {
  let count = 0;
  for (let cursor = ''; cursor !== null;) {
    const page = await get(`limit=${PAGE}&oldestFirst=true&sub=${sub}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    for (const entry of page.entries) count += entry.count;
    cursor = page.nextCursor ?? null;
  }
  return count;
}
