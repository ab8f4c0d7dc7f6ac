/**
 * How long a revocation takes, from the moment it is sent to the policy service until the gateway and a sidecar both refuse: token, subject,
 * issuer, key and partner grant by turns, in the whole cluster, under the calls of others at both doors. Each door is asked again and again
 * with `PAUSE_MS` between an answer and the next question; the time is that of the first question that was refused. Not part of `--quick`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addPartner, initialiseDataDirectory, startCluster } from '@cogmesh/mesh';
import { option } from '../../src/options.mjs';
import { environment } from '../mesh.mjs';
import { quantile } from '../rate.mjs';
import { GRANT_ID, kinds, MODEL, openDoors } from '../revocation.mjs';

/** Of each kind; `--rounds` says otherwise. */
const ROUNDS = 60;
const CALLERS = 8;
const PAUSE_MS = 2;
/** What takes longer is a failure and no figure: nobody may be let in for longer than the staleness bound. */
const LIMIT_MS = 5_000;
const DAY_MS = 86_400_000;

export async function measure({ quick, say }) {
  if (quick) return {};
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-bench-revocation-'));
  let cluster;
  let doors;
  let load;
  try {
    const directory = await directoryIn(path);
    cluster = await startCluster({
      directory,
      environment: environment(),
      httpListen: '127.0.0.1:0',
      progress: () => {},
    });
    doors = await openDoors({ keysDir: directory.keysDir, url: cluster.url, addressOf: cluster.addressOf });
    load = await startLoad(doors);
    const times = {};
    const rounds = Number(option('--rounds') ?? ROUNDS);
    for (const kind of Object.keys(kinds)) times[kind] = await revokeAgainAndAgain(doors, kind, rounds);
    const { answered, refused, seconds } = await load.stop();
    const figures = Object.fromEntries(Object.entries(times).map(([kind, of]) => [kind, figuresOf(of)]));
    const others = `${Math.round(answered / seconds)} calls a second of others meanwhile, ${refused} refused`;
    say(`revoked to refused at gateway and sidecar: ${JSON.stringify(figures)} ms; ${others}`);
    const all = Object.values(times).flat();
    return { revocation_ms_p99: Math.round(quantile(all, 0.99)), revocation_ms: figures };
  } finally {
    await load?.stop().catch(() => {});
    doors?.close();
    await cluster?.stop();
    await rm(path, { recursive: true, force: true });
  }
}

const figuresOf = (times) => ({
  p50: Math.round(quantile(times, 0.5)),
  p99: Math.round(quantile(times, 0.99)),
  max: Math.round(Math.max(...times)),
});

const policiesOf = (organisation) => ({
  organisation,
  roles: { admin: {}, reader: {} },
  policies: [
    { id: 'admins', policy: `org_id == '${organisation}' && role == 'admin'`, permissions: ['*'], resources: ['/**'] },
    { id: 'readers', policy: "role == 'reader'", permissions: ['read', 'list'], resources: ['/runs/**'] },
    {
      id: 'models',
      policy: "org_id in ['acme', 'globex'] && role == 'reader'",
      permissions: ['infer'],
      resources: ['/models/**'],
    },
  ],
});

async function directoryIn(path) {
  const directory = await initialiseDataDirectory(path, { hostOrganisation: 'acme', policies: policiesOf('acme') });
  await addPartner(directory, {
    organisation: 'globex',
    roles: ['admin', 'reader'],
    policies: policiesOf('globex'),
    grant: {
      ...{ id: GRANT_ID, grantor: 'acme', grantee: 'globex', actions: ['infer'], resources: [MODEL] },
      ...{ issuedAtMs: Date.now() - 1_000, expiresAtMs: Date.now() + DAY_MS },
    },
  });
  return directory;
}

/** Calls of people of acme, one after the other by each of `CALLERS`, half of them at each door. */
async function startLoad(doors) {
  const startedAt = performance.now();
  let going = true;
  let answered = 0;
  let refused = 0;
  const callers = Array.from({ length: CALLERS }, async (_, number) => {
    const somebody = await doors.victim('acme', `somebody-${number}`);
    const ask = number % 2 === 0 ? doors.gateway : doors.sidecar;
    while (going) {
      if (!(await ask(somebody))) refused += 1;
      answered += 1;
    }
  });
  const all = Promise.all(callers);
  // Its failure is that of whoever stops it.
  all.catch(() => {});
  return {
    async stop() {
      going = false;
      await all;
      return { answered, refused, seconds: (performance.now() - startedAt) / 1_000 };
    },
  };
}

async function revokeAgainAndAgain(doors, kind, rounds) {
  const { owner, thingOf, resource } = kinds[kind];
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const victim = await doors.victim('globex', `${kind}-${round}`);
    const asks = [() => doors.gateway(victim, resource), () => doors.sidecar(victim, resource)];
    for (const ask of asks) await until(ask, true);
    const thing = thingOf(victim.subject);
    const startedAt = performance.now();
    const [, ...refusedAt] = await Promise.all([doors.revoke(owner, thing), ...asks.map((ask) => until(ask, false))]);
    times.push(Math.max(...refusedAt) - startedAt);
    await doors.lift(owner, thing);
  }
  return times;
}

/** When the first question with that answer was asked. */
async function until(ask, expected) {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const askedAt = performance.now();
    if ((await ask()) === expected) return askedAt;
    if (askedAt > limit) throw new Error(`a revocation was not in force within ${LIMIT_MS} ms`);
    await delay(PAUSE_MS);
  }
}
