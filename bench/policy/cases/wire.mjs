/**
 * Decisions over HTTP, and how many of them the log has lost at full speed: batches of a hundred on 32 connections, and single
 * ones, of 1,000 and of 10,000 policies. Ours is the cluster with its decision log on, asked by enforcement points: the same
 * 20,000 questions again and again, so that most answers come from the gateway's decision cache. The peer has no log, no tokens and
 * no such cache. Rounds alternate.
 */
import { logDrops } from '../decision-log.mjs';
import { load } from '../http-load.mjs';
import { withMesh } from '../mesh.mjs';
import { authzenQuestions, BATCH, keyedQuestions } from '../questions.mjs';
import { setOf } from '../generator.mjs';
import * as opa from '../peers/opa.mjs';

const CONNECTIONS = 32;
const POLICIES_EACH = 999;
const sizes = { 1_000: 1, 10_000: 10 };
const modes = ['batch', 'single'];

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

export async function measure({ quick, say }) {
  const program = quick ? undefined : await opa.install().catch((error) => void say(`opa is absent: ${error.message}`));
  const figures = { wire: {}, peers: {} };
  for (const [size, organisations] of Object.entries(sizes).slice(quick ? -1 : 0)) {
    const sets = Array.from({ length: organisations }, (_, i) =>
      readable(setOf(`organisation-${i}`, POLICIES_EACH / 3, 0)),
    );
    const { ours, peer, drops } = await sideBySide({ sets, program, quick });
    figures.log_drops = (figures.log_drops ?? 0) + drops;
    figures.wire[size] = ours;
    if (peer) figures.peers.opa = { ...figures.peers.opa, [size]: peer };
    say(
      `over HTTP, ${size} policies: ${JSON.stringify(ours)}, lost by the log: ${drops}${peer ? `, opa ${JSON.stringify(peer)}` : ''}`,
    );
  }
  return { ...figures, ...ratiosOf(figures) };
}

async function sideBySide({ sets, program, quick }) {
  const asked = sets.map(({ organisation }) => [organisation, POLICIES_EACH / 3]);
  const server = program && (await opa.start(program, sets));
  try {
    return await withMesh(sets, async ({ port, tokens }) => {
      const ours = { port, questions: authzenQuestions(asked, tokens), isRight: allowedAll };
      const peer = server && { port: server.port, questions: keyedQuestions(asked), isRight: permittedAll };
      // First, so that nothing else is on its way through the log.
      const [place] = asked;
      const ms = quick ? 1_000 : 10_000;
      const drops = await logDrops({ port, place, token: tokens[place[0]], connections: CONNECTIONS, ms });
      return { drops, ...(await rounds([ours, ...(peer ? [peer] : [])], quick)) };
    });
  } finally {
    await server?.stop();
  }
}

/** Its administrators may read the decision log. */
function readable(set) {
  const policy = { policy: "role == 'admin'", permissions: ['read'], resources: ['/audit'] };
  return { ...set, policies: [...set.policies, policy] };
}

async function rounds(points, quick) {
  const seen = points.map(() => ({ batch: [], single: [] }));
  const ms = quick ? 1_000 : 4_000;
  for (let round = 0; round < (quick ? 2 : 3); round++) {
    for (const mode of modes)
      for (const [i, { port, questions, isRight }] of points.entries()) {
        const bytes = questions[mode];
        const requestOf = (n) => bytes[n % bytes.length];
        seen[i][mode].push(await load({ port, requestOf, connections: CONNECTIONS, ms, check: isRight }));
      }
  }
  const [ours, peer] = seen.map(figuresOf);
  return { ours: { ...ours, decision_cache: 'on' }, peer };
}

function figuresOf({ batch, single }) {
  return {
    batch_decisions_per_s: Math.round(median(batch.map(({ perSecond }) => perSecond)) * BATCH),
    single_per_s: Math.round(median(single.map(({ perSecond }) => perSecond))),
    single_p50_ms: Number(median(single.map(({ p50 }) => p50)).toFixed(2)),
    single_p99_ms: Number(median(single.map(({ p99 }) => p99)).toFixed(2)),
  };
}

function ratiosOf({ wire, peers }) {
  if (!peers.opa) return {};
  const worst = (name) =>
    Number(Math.min(...Object.entries(peers.opa).map(([size, peer]) => wire[size][name] / peer[name])).toFixed(2));
  return { batch_ratio_best_peer: worst('batch_decisions_per_s'), single_ratio_best_peer: worst('single_per_s') };
}

function allowedAll({ decision, evaluations = [{ decision }] }) {
  if (!evaluations.every((each) => each.decision === true)) throw new Error('Cogmesh denies what it must allow');
}

function permittedAll({ result }) {
  if (![result].flat().every((each) => each === true)) throw new Error('OPA denies what it must allow');
}
