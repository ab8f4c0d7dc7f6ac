/**
 * What enforcement adds to one gRPC call whose decision is in the cache: the sidecar against a bare HTTP/2 pass-through and against none, and
 * enforcement in process against none. One call at a time, each part in a process of its own; the four ways take turns call by call.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policyV1, schedulerV1 } from '@cogmesh/contracts';
import { createSidecarSecretFile } from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity } from '@cogmesh/identity';
import { createClient, implement, openChannel, serveRpc } from '@cogmesh/rpc';
import { startChild } from '../parts/child.mjs';

const policies = {
  policies: [{ policy: "role == 'analyst'", permissions: ['read'], resources: ['/runs/*'] }],
};
const method = `/${schedulerV1.SchedulerService.typeName}/GetRun`;

export async function measure({ quick, say }) {
  const dir = mkdtempSync(join(tmpdir(), 'cogmesh-bench-sidecar-'));
  const closers = [() => rmSync(dir, { recursive: true, force: true })];
  try {
    const calls = await openWays(dir, closers);
    const times = await takeTurns(calls, quick ? 1_000 : 6_000);
    const added = {
      over_passthrough_p50: gap(times.sidecar, times.passThrough, 0.5),
      over_direct_p50: gap(times.sidecar, times.direct, 0.5),
      over_direct_p99: gap(times.sidecar, times.direct, 0.99),
      in_process_p50: gap(times.inProcess, times.direct, 0.5),
    };
    for (const [way, taken] of Object.entries(times)) say(`${way}: p50 ${at(taken, 0.5).toFixed(3)} ms`);
    return { sidecar_added_ms: added };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function openWays(dir, closers) {
  const keysDir = join(dir, 'keys');
  const secretFile = join(dir, 'secret');
  await initialiseKeys(keysDir, { hostOrganisation: 'acme' });
  createSidecarSecretFile(secretFile);
  const start = async (name, options) => {
    const { ready, stop } = await startChild(name, options);
    closers.push(stop);
    return ready;
  };
  const policy = await servePolicies(keysDir, closers);
  const { direct, inProcess, behind } = await start('service', { keysDir, secretFile, policies });
  const passThrough = await start('pass-through', { upstream: direct });
  const environment = {
    COGMESH_DATA_DIR: dir,
    COGMESH_LISTEN: '127.0.0.1:0',
    COGMESH_POLICY_ADDRESS: policy,
    COGMESH_SIDECAR_SERVICE: 'scheduler',
    COGMESH_SIDECAR_UPSTREAM: behind,
    COGMESH_SIDECAR_SECRET_FILE: secretFile,
  };
  const sidecar = await start('sidecar', { environment });
  const permit = await permitOf(keysDir);
  const ways = { direct, passThrough, sidecar, inProcess };
  return Object.fromEntries(Object.entries(ways).map(([name, address]) => [name, callerOf(address, permit, closers)]));
}

/** As much of the policy service as a replica asks for. */
async function servePolicies(keysDir, closers) {
  const signer = await loadServiceIdentity(keysDir, 'policy');
  const others = Object.fromEntries(policyV1.PolicyService.methods.map(({ localName }) => [localName, () => {}]));
  const getBundle = async ({ nonce, knownEpochs }) => ({
    bundlesJws: knownEpochs.acme ? [] : [await signer.signBundle({ organisation: 'acme', epoch: 1, policies })],
    organisations: ['acme'],
    heartbeatJws: await signer.signHeartbeat({ nonce, epochs: { acme: 1 } }),
  });
  const server = await serveRpc({
    address: '127.0.0.1:0',
    services: [implement(policyV1.PolicyService, { ...others, getBundle })],
    authenticate: () => ({ kind: 'anonymous' }),
  });
  closers.push(() => server.stop(0));
  return server.address;
}

/** One permit for a method that changes nothing may be shown again: its signature and its decision are remembered. */
async function permitOf(keysDir) {
  const gateway = await loadServiceIdentity(keysDir, 'gateway');
  const subject = { issuer: 'https://a.example', sub: 'ann', organisation: 'acme', roles: ['analyst'], tokenId: '' };
  return () =>
    gateway.mintPermit({
      audience: 'scheduler',
      method,
      access: [{ action: 'read', resource: '/runs/run_1' }],
      subject: { ...subject, attributes: {} },
    });
}

function callerOf(address, mint, closers) {
  const channel = openChannel({ target: address });
  closers.push(() => channel.close());
  const client = createClient(schedulerV1.SchedulerService, channel);
  let permit;
  let until = 0;
  return async () => {
    if (Date.now() > until) {
      permit = await mint();
      until = Date.now() + 30_000;
      await client.getRun({ runId: 'run_1' }, { metadata: { authorization: `Bearer ${permit}` } });
    }
    const started = performance.now();
    await client.getRun({ runId: 'run_1' }, { metadata: { authorization: `Bearer ${permit}` } });
    return performance.now() - started;
  };
}

async function takeTurns(calls, count) {
  const ways = Object.entries(calls);
  const times = Object.fromEntries(ways.map(([name]) => [name, []]));
  for (let round = -200; round < count; round += 1) {
    for (const [name, call] of ways) {
      const ms = await call();
      if (round >= 0) times[name].push(ms);
    }
  }
  for (const taken of Object.values(times)) taken.sort((a, b) => a - b);
  return times;
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const gap = (ours, theirs, share) => Number((at(ours, share) - at(theirs, share)).toFixed(3));
