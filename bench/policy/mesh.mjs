/** The built product as a cluster, with policy sets of several organisations and a token of an enforcement point of each. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { addPartner, initialiseDataDirectory, startCluster } from '@cogmesh/mesh';

const HOUR_SECONDS = 3_600;
const DAY_MS = 86_400_000;
const PASSABLE = 0o711;
const roles = ['enforcement-point', 'operator', 'admin'];

/** The environment without what configures the product, so that nobody's shell changes a figure. */
export function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(COGMESH|OTEL|NODE_OPTIONS)/.test(name));
  return {
    ...Object.fromEntries(kept),
    COGMESH_LOG_LEVEL: 'warn',
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_SDK_DISABLED: 'true',
    COGMESH_RATE_PER_SECOND: '1000000',
    COGMESH_RATE_BURST: '1000000',
    COGMESH_AUTHZEN_PROPERTIES: 'subject.level, subject.team, subject.roles, context.region',
  };
}

function partnerOf(host, set, now) {
  const grant = {
    id: `grant-${host}-${set.organisation}`,
    grantor: host,
    grantee: set.organisation,
    actions: ['read'],
    resources: [`/models/${host}/none`],
    issuedAtMs: now - 1_000,
    expiresAtMs: now + DAY_MS,
  };
  return { organisation: set.organisation, roles, policies: set, grant };
}

/** The first set is the host's. Everything it starts it also removes. */
export async function withMesh(sets, use) {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-bench-'));
  const [first, ...others] = sets;
  const host = first.organisation;
  let mesh;
  try {
    const directory = await initialiseDataDirectory(path, { hostOrganisation: host, policies: first });
    for (const set of others) await addPartner(directory, partnerOf(host, set, Date.now()));
    await chmod(path, PASSABLE);
    const options = { directory, environment: environment(), httpListen: '127.0.0.1:0', progress: () => {} };
    mesh = await startCluster(options);
    const tokens = {};
    for (const { organisation } of sets) {
      const issuerName = organisation === host ? 'development' : organisation;
      const said = { sub: 'bench', roles, ttlSeconds: HOUR_SECONDS, issuerName };
      tokens[organisation] = await mintDevelopmentToken(directory.keysDir, said);
    }
    return await use({ port: Number(new URL(mesh.url).port), tokens });
  } finally {
    await mesh?.stop();
    await rm(path, { recursive: true, force: true });
  }
}
