const ROUNDS = 7;
const ROUND_MS = 300;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Calls per second of `work` over one round; each call may be asynchronous. */
async function rate(work) {
  const started = performance.now();
  let calls = 0;
  while (performance.now() - started < ROUND_MS) {
    await work();
    calls++;
  }
  return (calls * 1000) / (performance.now() - started);
}

/** Interleaved rounds of both; `batch` is how many operations one call of `work` does. */
export async function compare({ title, unit = 'per s', ours, peer, peerName, batch = 1 }) {
  await rate(ours);
  await rate(peer);
  const rates = { ours: [], peer: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.ours.push((await rate(ours)) * batch);
    rates.peer.push((await rate(peer)) * batch);
  }
  const [a, b] = [median(rates.ours), median(rates.peer)];
  return { case: title, unit, ours: a, peer: b, peerName, ratio: a / b };
}
