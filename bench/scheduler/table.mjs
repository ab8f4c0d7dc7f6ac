/** What people read at the end: ours beside the peers, and by how much. */
import { rounded } from './figures.mjs';

const smallest = (values) => (values.length > 0 ? Math.min(...values) : undefined);
const ratio = (a, b) => (a === undefined || b === undefined ? undefined : rounded(a / b));

/** Of the peers whose acknowledged work survives what ours does. */
export function againstPeers({ peers, chain_step_ms_p50, fanout_ms, tasks_per_s }) {
  const equal = Object.values(peers).filter(({ equal_durability }) => equal_durability);
  const of = (name) => equal.flatMap((peer) => peer[name] ?? []);
  const rates = of('tasks_per_s').map((rate) => -rate);
  const fastest = smallest(rates);
  return {
    against_fastest_durable_peer: {
      chain_step: ratio(chain_step_ms_p50, smallest(of('chain_step_ms_p50'))),
      fanout_speedup: ratio(smallest(of('fanout_ms')), fanout_ms),
      tasks_per_s: ratio(tasks_per_s, fastest === undefined ? undefined : -fastest),
    },
  };
}

const columns = [24, 14, 16, 10];
const row = (cells) => cells.map((cell, at) => String(cell ?? '-').padEnd(columns[at] ?? 0)).join('  ');

/** Nothing where no peers were measured. */
export function table({ peers, chain_step_ms_p50, fanout_ms, tasks_per_s, against_fastest_durable_peer }) {
  if (peers === undefined) return [];
  const other = Object.entries(peers).map(([name, peer]) =>
    peer.absent
      ? `${name.padEnd(24)}  not measured: ${peer.absent}`
      : row([name, peer.chain_step_ms_p50, fanOf(peer), peer.tasks_per_s, peer.durability]),
  );
  return [
    '',
    row(['', 'chain step, ms', '1->1,000->1, ms', 'tasks/s', 'durability']),
    row([
      'cogmesh',
      chain_step_ms_p50,
      fanout_ms,
      tasks_per_s,
      'PostgreSQL, fsync on; RabbitMQ quorum queues, confirms',
    ]),
    ...other,
    `to the fastest of equal durability: ${JSON.stringify(against_fastest_durable_peer)}`,
  ];
}

/** A smaller shape is named as what it is. */
function fanOf(peer) {
  const smaller = Object.keys(peer).find((key) => /^fanout_\d+_ms$/.test(key));
  return peer.fanout_ms ?? (smaller && `${peer[smaller]} (of ${smaller.split('_')[1]})`);
}
