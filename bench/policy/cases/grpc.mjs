/**
 * Single decisions over gRPC, of 1,000 and of 10,000 policies: the policy service with its own checks of who asks and its
 * decision log on, beside Cerbos with the same rules and neither. 32 calls at once from one client, rounds alternate.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { initialiseKeys, loadServiceIdentity } from '@cogmesh/identity';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { requestOf, sequence, setOf } from '../generator.mjs';
import { startChild } from '../parts/child.mjs';
import * as cerbos from '../peers/cerbos.mjs';
import { quantile } from '../rate.mjs';

const CALLS = 32;
const GROUPS = 333;
const KINDS = 200;
const sizes = { 1_000: 1, 10_000: 10 };
const method = `/${policyV1.PolicyService.typeName}/Decide`;

export async function measure({ quick, say }) {
  const program = quick
    ? undefined
    : await cerbos.install().catch((error) => void say(`cerbos is absent: ${error.message}`));
  const figures = { grpc_single: {}, peers: {} };
  for (const [size, organisations] of Object.entries(sizes).slice(quick ? -1 : 0)) {
    const sets = Array.from({ length: organisations }, (_, i) => setOf(`organisation-${i}`, GROUPS, 0));
    const { ours, peer } = await sideBySide({ sets, program, quick });
    figures.grpc_single[size] = ours;
    if (peer) figures.peers.cerbos = { ...figures.peers.cerbos, [size]: peer };
    say(`over gRPC, ${size} policies: ${JSON.stringify(ours)}${peer ? `, cerbos ${JSON.stringify(peer)}` : ''}`);
  }
  if (!figures.peers.cerbos) return figures;
  const ratios = Object.entries(figures.peers.cerbos).map(
    ([size, peer]) => figures.grpc_single[size].per_s / peer.per_s,
  );
  return { ...figures, grpc_ratio_best_peer: Number(Math.min(...ratios).toFixed(2)) };
}

async function sideBySide({ sets, program, quick }) {
  const below = sequence(7);
  const requests = Array.from({ length: KINDS }, () =>
    requestOf([sets[below(sets.length)].organisation, GROUPS], below),
  );
  const closers = [];
  try {
    const ways = { ours: await openOurs(sets, requests, closers) };
    if (program) ways.peer = await openCerbos(program, { sets, requests, closers });
    const seen = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
    const ms = quick ? 1_000 : 4_000;
    for (const way of Object.values(ways)) await loadCalls(way, ms / 2);
    for (let round = 0; round < (quick ? 2 : 3); round += 1)
      for (const [name, way] of Object.entries(ways)) seen[name].push(await loadCalls(way, ms));
    return Object.fromEntries(Object.entries(seen).map(([name, rounds]) => [name, figuresOf(rounds)]));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

const middle = (rounds, name) => quantile(rounds.map((round) => round[name]), 0.5); // prettier-ignore

function figuresOf(rounds) {
  const [p50, p99] = [middle(rounds, 'p50'), middle(rounds, 'p99')];
  return {
    per_s: Math.round(middle(rounds, 'perSecond')),
    p50_ms: Number(p50.toFixed(2)),
    p99_ms: Number(p99.toFixed(2)),
  };
}

async function openOurs(sets, requests, closers) {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-bench-grpc-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const keysDir = join(dir, 'keys');
  await initialiseKeys(keysDir, { hostOrganisation: sets[0].organisation });
  const bootstrapDir = join(dir, 'bootstrap');
  await mkdir(join(bootstrapDir, 'policies'), { recursive: true });
  const names = sets.map(({ organisation }) => ({ name: organisation }));
  await writeFile(join(bootstrapDir, 'organisations.json'), JSON.stringify(names));
  for (const set of sets)
    await writeFile(join(bootstrapDir, 'policies', `${set.organisation}.json`), JSON.stringify(set));
  const { ready, stop } = await startChild('policy', {
    environment: {
      COGMESH_KEYS_DIR: keysDir,
      COGMESH_DATA_DIR: join(dir, 'data'),
      COGMESH_LISTEN: '127.0.0.1:0',
      COGMESH_POLICY_BOOTSTRAP_DIR: bootstrapDir,
      COGMESH_HOST_ORGANISATION: sets[0].organisation,
    },
  });
  closers.push(stop);
  // The registry keeps no log of what it asks: the service logs it.
  const identity = await loadServiceIdentity(keysDir, 'registry');
  const asked = requests.map(({ subject, action, resource, context }) => {
    const message = { action, resource, contextJson: JSON.stringify(context) };
    const about = { ...subject, attributesJson: JSON.stringify(subject.attributes) };
    return Buffer.from(
      toBinary(policyV1.DecideRequestSchema, create(policyV1.DecideRequestSchema, { ...message, subject: about })),
    );
  });
  const check = (answer) => fromBinary(policyV1.DecideResponseSchema, answer).allowed;
  const authorize = async () => `Bearer ${await identity.serviceToken('policy')}`;
  return openWay({ target: ready, path: method, asked, check, authorize }, closers);
}

async function openCerbos(program, { sets, requests, closers }) {
  const { target, stop } = await cerbos.start(program, sets);
  closers.push(stop);
  const check = (answer) => cerbos.isAllowed(answer, 'infer');
  return openWay({ target, path: cerbos.method, asked: requests.map(cerbos.checkOf), check }, closers);
}

function openWay({ target, path, asked, check, authorize }, closers) {
  const client = new Client(target, credentials.createInsecure());
  closers.push(() => client.close());
  const asIs = (bytes) => bytes;
  const call = (bytes, metadata) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, asIs, asIs, bytes, metadata, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  return { call, asked, check, authorize };
}

async function loadCalls({ call, asked, check, authorize }, ms) {
  const metadata = new Metadata();
  if (authorize) metadata.set('authorization', await authorize());
  const latencies = [];
  const startedAt = performance.now();
  let next = 0;
  const work = async () => {
    while (performance.now() - startedAt < ms) {
      const at = performance.now();
      const answer = await call(asked[(next += 1) % asked.length], metadata);
      latencies.push(performance.now() - at);
      if (!check(answer)) throw new Error('a decision point denies what it must allow');
    }
  };
  await Promise.all(Array.from({ length: CALLS }, work));
  const perSecond = (latencies.length * 1_000) / (performance.now() - startedAt);
  return { perSecond, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}
