/**
 * The composition root. Order matters in one place: the policies are read from the database before anything listens, so
 * the first answer is already the right one.
 */
import { openEnforcement, RevocationBook, type Enforcement } from '@cogmesh/enforcement';
import { DecisionEngine } from '@cogmesh/policy-core';
import { serveRpc, type ServiceBinding } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import { BusPolicyHints, policyEvents } from './adapters/bus-policy-hints.js';
import { grantMigrations } from './adapters/grant-migrations.js';
import { policyMigrations } from './adapters/migrations.js';
import { SqlPolicyStore } from './adapters/sql-policy-store.js';
import { wireAudit } from './audit-wiring.js';
import { versionMigrations } from './adapters/version-migrations.js';
import { bootstrap } from './bootstrap/bootstrap.js';
import type { PolicyConfig } from './config.js';
import { onBundlePublished } from './events/on-bundle-published.js';
import { News } from './distribution/news.js';
import { wireDistribution } from './distribution-wiring.js';
import { wireInformation } from './information-wiring.js';
import type { PolicyBook } from './policy-book.js';
import { PutPolicies } from './put-policies.js';
import { startRefresh } from './refresh.js';
import { wirePartners } from './partners-wiring.js';
import { policyRpc } from './rpc/policy.rpc.js';
import { wireVersions } from './versions-wiring.js';
import { searchRpc } from './rpc/search.rpc.js';

export interface PolicyParts {
  readonly book: PolicyBook;
  readonly putPolicies: PutPolicies;
  /** Where it listens. */
  readonly address: string;
  readiness(): Promise<Readiness>;
  /** Finishes calls in flight, then stops looking for changes. */
  close(): Promise<void>;
}

export async function wirePolicy(host: ServiceHost, config: PolicyConfig): Promise<PolicyParts> {
  const { logger, database, bus } = host;
  const engine = new DecisionEngine();
  const revocations = new RevocationBook();
  const news = new News();
  const audit = await wireAudit(host, config);
  const enforcement = await openEnforcement({
    ...host,
    service: 'policy',
    localEngine: engine,
    localParts: { revocations, onChange: news.follow },
    log: audit.log,
  });
  const { identity } = enforcement;
  const store = new SqlPolicyStore(database);
  const hints = new BusPolicyHints(bus, logger);
  const distribution = wireDistribution({ host, config, engine, identity, hints, revocations, news });
  const { book, desk, source } = distribution;
  const putPolicies = new PutPolicies({ store, book, hints, verifier: identity });

  await database.migrate([...policyMigrations, ...versionMigrations, ...grantMigrations]);
  const issuersAdded = await bootstrap(config.bootstrapDir, { store, verifier: identity, logger });
  await book.refresh();
  await audit.start((name) => book.current(name) !== undefined);
  await bus.declare({ exchanges: [policyEvents] });
  await distribution.start();
  const consumer = await onBundlePublished(bus, book, logger);
  const { hostOrganisation } = config;
  const versions = wireVersions({ database, book, putPolicies, verifier: identity, logger });
  await versions.shadow.refresh();
  const { informer, close: closeInformation } = wireInformation({ host, config, engine, identity });
  const services = [
    versions.rpc,
    distribution.rpc,
    policyRpc({ book, putPolicies, desk, source, informer, shadow: versions.shadow, now: Date.now, log: audit.log }),
    searchRpc({ book, source, informer, log: audit.log, now: Date.now }),
    ...wirePartners(host, { book, hints, verifier: identity, hostOrganisation }),
    audit.rpc,
  ];
  const server = await serve(host, services, enforcement);
  const refresh = startRefresh(versions.refreshing(book), { everyMs: config.refreshMs, logger });
  if (issuersAdded) await hints.issuersChanged();

  return {
    book,
    putPolicies,
    address: server.address,
    readiness: () => readiness(host, book),
    close: async () => {
      distribution.release();
      await server.stop();
      closeInformation();
      await consumer.stop();
      await distribution.close();
      await refresh.stop();
      await versions.shadow.flush();
      await enforcement.close();
      await audit.close();
    },
  };
}

function serve({ listen: address, logger, security }: ServiceHost, services: ServiceBinding[], to: Enforcement) {
  return serveRpc({ address, services, authenticate: to.authenticate, logger, security });
}

/** Decisions need only what is in memory, so a database that is away is told and does not make the service unready. */
async function readiness({ database }: ServiceHost, book: PolicyBook): Promise<Readiness> {
  const answers = await database.ping().then(
    () => ({ ready: true }),
    (thrown: unknown) => ({ ready: false, detail: `policies cannot be changed now: ${String(thrown)}` }),
  );
  const organisations = book.organisations().length;
  return {
    ready: true,
    checks: { policies: { ready: true, detail: `${String(organisations)} organisations` }, database: answers },
  };
}
