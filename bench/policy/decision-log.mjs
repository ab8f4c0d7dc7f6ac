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
const LOOK_EVERY_MS = 500;
/** Longer than repeats are counted at the gateway (10 s by default) before their number is sent. */
const PATIENCE_MS = 20_000;

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
  const asked = answered * BATCH;
  const limit = performance.now() + PATIENCE_MS;
  for (;;) {
    const missing = asked - (await listed(get, sub));
    if (missing <= 0 || performance.now() > limit) return missing;
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
