/**
 * What the gateway adds to a request whose token it has verified before: `GET /v1/models` beside bare Fastify with the same
 * answer, and `GET /v1/runs/{id}` from a service that does nothing, behind a sidecar, beside the same three processes without
 * any check: Fastify, an HTTP/2 pass-through, the service. 32 connections, rounds alternate.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSidecarSecretFile } from '@cogmesh/enforcement';
import { developmentIssuerRecord, initialiseKeys, mintDevelopmentToken } from '@cogmesh/identity';
import { getOf, load } from '../http-load.mjs';
import { startChild } from '../parts/child.mjs';
import { quantile } from '../rate.mjs';

const CONNECTIONS = 32;
const HOUR_SECONDS = 3_600;
const paths = { models: '/v1/models', run: '/v1/runs/run_01KAZ4Q8Z0000000000000000A' };
const policies = {
  policies: [
    { policy: "role == 'operator'", permissions: ['infer'], resources: ['/models/acme/*'] },
    { policy: "role == 'operator'", permissions: ['read'], resources: ['/runs/*'] },
  ],
};

export async function measure({ quick, say }) {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-bench-gateway-'));
  const closers = [() => rm(dir, { recursive: true, force: true })];
  try {
    const ways = await openWays(dir, closers);
    const seen = await takeTurns(ways, { rounds: quick ? 2 : 5, ms: quick ? 700 : 3_000 });
    const figures = {
      gateway_ratio_fastify: ratioOf(seen.models),
      path_ratio_bare: ratioOf(seen.run),
      gateway_per_s: { models: figuresOf(seen.models), run: figuresOf(seen.run) },
    };
    say(`gateway beside bare Fastify, requests/s: ${JSON.stringify(figures)}`);
    return figures;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

const median = (rates) => quantile(rates, 0.5);
const ratioOf = ({ ours, bare }) => Number((median(ours) / median(bare)).toFixed(3));
const figuresOf = ({ ours, bare }) => ({ ours: Math.round(median(ours)), bare: Math.round(median(bare)) });

async function takeTurns({ ours, bare, token }, { rounds, ms }) {
  const seen = {};
  for (const [name, path] of Object.entries(paths)) {
    const bytes = getOf({ path, headers: { authorization: `Bearer ${token}` } });
    const once = (port, forMs) => load({ port, requestOf: () => bytes, connections: CONNECTIONS, ms: forMs });
    const rates = { ours: [], bare: [] };
    for (const port of [ours, bare]) await once(port, ms / 2);
    for (let round = 0; round < rounds; round += 1) {
      rates.ours.push((await once(ours, ms)).perSecond);
      rates.bare.push((await once(bare, ms)).perSecond);
    }
    seen[name] = rates;
  }
  return seen;
}

async function openWays(dir, closers) {
  const keysDir = join(dir, 'keys');
  await initialiseKeys(keysDir, { hostOrganisation: 'acme', developmentIssuer: true });
  const bootstrapDir = await writeBootstrap(dir, keysDir);
  const secretFile = join(dir, 'secret');
  createSidecarSecretFile(secretFile);
  const start = async (name, options) => {
    const { ready, stop } = await startChild(name, options);
    closers.push(stop);
    return ready;
  };
  const environmentOf = (name, more) => ({
    COGMESH_KEYS_DIR: keysDir,
    COGMESH_DATA_DIR: join(dir, name),
    COGMESH_LISTEN: '127.0.0.1:0',
    ...more,
  });
  const policy = await start('policy', {
    environment: environmentOf('policy', {
      COGMESH_POLICY_BOOTSTRAP_DIR: bootstrapDir,
      COGMESH_HOST_ORGANISATION: 'acme',
    }),
  });
  const { direct, behind } = await start('service', { keysDir, secretFile, policies });
  const toPolicy = { COGMESH_POLICY_ADDRESS: policy };
  const sidecar = await start('sidecar', {
    environment: environmentOf('sidecar', {
      ...toPolicy,
      COGMESH_SIDECAR_SERVICE: 'scheduler',
      COGMESH_SIDECAR_UPSTREAM: behind,
      COGMESH_SIDECAR_SECRET_FILE: secretFile,
    }),
  });
  const registry = await start('registry', { models: ['acme/large', 'acme/small'] });
  const gateway = await start('gateway', {
    environment: environmentOf('gateway', {
      ...toPolicy,
      COGMESH_HTTP_LISTEN: '127.0.0.1:0',
      COGMESH_SCHEDULER_ADDRESS: sidecar,
      COGMESH_REGISTRY_ADDRESS: registry,
      COGMESH_DEV: '1',
      COGMESH_RATE_PER_SECOND: '1000000',
      COGMESH_RATE_BURST: '1000000',
    }),
  });
  const token = await mintDevelopmentToken(keysDir, { sub: 'bench', roles: ['operator'], ttlSeconds: HOUR_SECONDS });
  const passThrough = await start('pass-through', { upstream: direct });
  const [models, run] = [await answerOf(gateway, paths.models, token), await answerOf(gateway, paths.run, token)];
  if (models.models.length !== 2) throw new Error('the gateway lists other models than there are');
  return { ours: gateway, bare: await start('bare-gateway', { models, run, scheduler: passThrough }), token };
}

async function writeBootstrap(dir, keysDir) {
  const bootstrapDir = join(dir, 'bootstrap');
  await mkdir(join(bootstrapDir, 'policies'), { recursive: true });
  const issuer = await developmentIssuerRecord(keysDir, { allowedRoles: ['operator'] });
  const files = { 'organisations.json': [{ name: 'acme' }], 'issuers.json': [issuer], 'policies/acme.json': policies };
  for (const [file, content] of Object.entries(files))
    await writeFile(join(bootstrapDir, file), JSON.stringify(content));
  return bootstrapDir;
}

async function answerOf(port, path, token) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status} ${await answer.text()}`);
  return answer.json();
}
