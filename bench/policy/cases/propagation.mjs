/**
 * How long a set of 10,000 policies takes from the moment it is sent to the policy service until each of eight sidecars decides by it: the
 * service behind its own sidecar, and seven others that ask through that one, each a process. Half of the sets differ from the
 * one before in one policy, half in every one. Each sidecar is asked for a decision that the set turns around, again and again,
 * with `PAUSE_MS` between an answer and the next question, which is part of the time.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '@cogmesh/backends';
import { policyV1, revocationV1, schedulerV1 } from '@cogmesh/contracts';
import { createSidecarSecretFile } from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel } from '@cogmesh/rpc';
import { setOf } from '../generator.mjs';
import { startChild } from '../parts/child.mjs';
import { quantile } from '../rate.mjs';

const SIDECARS = 8;
const GROUPS = 3_332;
const PAUSE_MS = 20;
/** What takes longer is a failure and no figure. */
const LIMIT_MS = 30_000;
const kinds = ['one_changed', 'all_changed'];

export async function measure({ quick, say }) {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-bench-propagation-'));
  const closers = [() => rm(dir, { recursive: true, force: true })];
  try {
    const points = await openPoints(dir, closers);
    const times = await publishAll(points, quick ? 3 : 30);
    const all = kinds.flatMap((kind) => times[kind]);
    const propagation = Object.fromEntries(kinds.map((kind) => [kind, figuresOf(times[kind])]));
    say(`10,000 policies, published to enforced by ${SIDECARS} sidecars: ${JSON.stringify(propagation)} ms`);
    return { propagation_ms_p99: Math.round(quantile(all, 0.99)), propagation_ms: propagation };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

const figuresOf = (times) => ({ p50: Math.round(quantile(times, 0.5)), p99: Math.round(quantile(times, 0.99)) });

/** The policies of epoch `round`: readers may read in every second one. */
function policiesOf({ round, generation }) {
  const { roles, policies } = setOf('acme', GROUPS, 10_000 - 2 - 3 * GROUPS);
  const renamed = policies.map((policy, i) => ({ id: `p${generation}-${i}`, ...policy }));
  const writers = { id: 'writers', policy: "role == 'admin'", permissions: ['write'], resources: ['/policies'] };
  const readers = {
    id: 'readers',
    policy: "role == 'viewer'",
    permissions: ['read'],
    resources: ['/runs/*', '/revocations'],
  };
  return { roles, policies: [...renamed, writers, { ...readers, effect: round % 2 === 0 ? 'allow' : 'deny' }] };
}

async function publishAll({ publish, probes }, each) {
  const times = { one_changed: [], all_changed: [] };
  let generation = 0;
  const mayRead = (expected) => Promise.all(probes.map((probe) => until(probe, expected)));
  await mayRead(true);
  for (let round = 1; round <= 2 * each + 2; round += 1) {
    const kind = kinds[(round >> 1) % 2];
    if (kind === 'all_changed') generation += 1;
    const json = JSON.stringify(policiesOf({ round, generation }));
    const startedAt = performance.now();
    await Promise.all([publish(json), mayRead(round % 2 === 0)]);
    // The first of each kind runs code that has not run yet.
    if (round > 2) times[kind].push(performance.now() - startedAt);
  }
  return times;
}

async function until(probe, expected) {
  const limit = performance.now() + LIMIT_MS;
  while ((await probe()) !== expected) {
    if (performance.now() > limit)
      throw new Error(`a sidecar did not enforce new policies within ${LIMIT_MS / 1_000} s`);
    await delay(PAUSE_MS);
  }
}

async function openPoints(dir, closers) {
  const keysDir = join(dir, 'keys');
  await initialiseKeys(keysDir, { hostOrganisation: 'acme' });
  const bootstrap = join(dir, 'bootstrap');
  await mkdir(join(bootstrap, 'policies'), { recursive: true });
  await writeFile(join(bootstrap, 'organisations.json'), JSON.stringify([{ name: 'acme' }]));
  await writeFile(join(bootstrap, 'policies', 'acme.json'), JSON.stringify(policiesOf({ round: 0, generation: 0 })));
  const secret = (name) => {
    const file = join(dir, `${name}.secret`);
    createSidecarSecretFile(file);
    return file;
  };
  const secrets = { policy: secret('policy'), scheduler: secret('scheduler') };
  const start = async (name, options) => {
    const { ready, stop } = await startChild(name, options);
    closers.push(stop);
    return ready;
  };
  const ports = await freePorts(SIDECARS);
  const policyAddress = `127.0.0.1:${ports[0]}`;
  const common = {
    COGMESH_KEYS_DIR: keysDir,
    COGMESH_POLICY_ADDRESS: policyAddress,
    // A machine that is busy with other things makes the figures worse, and does not end the measurement.
    COGMESH_POLICY_MAX_STALENESS_MS: String(LIMIT_MS),
  };
  const policy = await start('policy', {
    environment: {
      ...common,
      COGMESH_DATA_DIR: join(dir, 'policy-data'),
      COGMESH_LISTEN: '127.0.0.1:0',
      COGMESH_POLICY_BOOTSTRAP_DIR: bootstrap,
      COGMESH_HOST_ORGANISATION: 'acme',
      COGMESH_ENFORCEMENT: 'sidecar',
      COGMESH_SIDECAR_ADDRESS: policyAddress,
      COGMESH_SIDECAR_SECRET_FILE: secrets.policy,
    },
  });
  const { behind } = await start('service', { keysDir, secretFile: secrets.scheduler, policies: { policies: [] } });
  const sidecar = (i, service, upstream) =>
    start('sidecar', {
      environment: {
        ...common,
        COGMESH_DATA_DIR: join(dir, `sidecar-${i}`),
        COGMESH_LISTEN: `127.0.0.1:${ports[i]}`,
        COGMESH_SIDECAR_SERVICE: service,
        COGMESH_SIDECAR_UPSTREAM: upstream,
        COGMESH_SIDECAR_SECRET_FILE: secrets[service],
      },
    });
  const others = Array.from({ length: SIDECARS - 1 }, (_, i) => i + 1);
  await sidecar(0, 'policy', policy);
  const addresses = await Promise.all(others.map((i) => sidecar(i, 'scheduler', behind)));
  return callersOf({ keysDir, policyAddress, addresses, closers });
}

/** Who publishes, and who asks each sidecar whether a viewer may read. */
async function callersOf({ keysDir, policyAddress, addresses, closers }) {
  const gateway = await loadServiceIdentity(keysDir, 'gateway');
  const call = ({ address, audience, service, role, right }) => {
    const authorize = kept((method) => permitOf(gateway, { audience, method, role, right }), role === 'viewer');
    const channel = openChannel({ target: address, authorize });
    closers.push(() => channel.close());
    return createClient(service, channel);
  };
  const toPolicy = { address: policyAddress, audience: 'policy' };
  const writer = call({
    ...{ ...toPolicy, service: policyV1.PolicyService, role: 'admin' },
    right: { action: 'write', resource: '/policies' },
  });
  const revocations = call({
    ...{ ...toPolicy, service: revocationV1.RevocationService, role: 'viewer' },
    right: { action: 'read', resource: '/revocations' },
  });
  const schedulers = addresses.map((address) =>
    call({
      ...{ address, audience: 'scheduler', service: schedulerV1.SchedulerService, role: 'viewer' },
      right: { action: 'read', resource: '/runs/run_1' },
    }),
  );
  return {
    publish: (policySetJson) => writer.putPolicies({ organisation: 'acme', policySetJson }),
    probes: [
      () => isAllowed(revocations.listRevocations({ organisation: 'acme', limit: 1 })),
      ...schedulers.map((client) => () => isAllowed(client.getRun({ runId: 'run_1' }))),
    ],
  };
}

const PERMIT_KEPT_MS = 30_000;

/** A permit that changes nothing may be shown again. */
function kept(mint, mayBeKept) {
  let [permit, until] = ['', 0];
  return async (method) => {
    if (!mayBeKept || Date.now() > until) [permit, until] = [await mint(method), Date.now() + PERMIT_KEPT_MS];
    return `Bearer ${permit}`;
  };
}

function permitOf(gateway, { audience, method, role, right }) {
  const who = { issuer: 'https://a.example', sub: role, organisation: 'acme', roles: [role], tokenId: '' };
  return gateway.mintPermit({ audience, method, access: [right], subject: { ...who, attributes: {} } });
}

async function isAllowed(answer) {
  try {
    await answer;
    return true;
  } catch (error) {
    if (error.code !== 'permission_denied') throw error;
    return false;
  }
}
