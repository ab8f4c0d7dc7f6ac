/**
 * The composition root. Order matters in one place: the policies are read from the database before anything listens, so
 * the first answer is already the right one.
 */
import { openEnforcement } from '@cogmesh/enforcement';
import { keyFetching } from '@cogmesh/identity';
import { DecisionEngine } from '@cogmesh/policy-core';
import { serveRpc } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import { BusPolicyHints, policyEvents } from './adapters/bus-policy-hints.js';
import { policyMigrations } from './adapters/migrations.js';
import { SqlIssuerStore } from './adapters/sql-issuer-store.js';
import { SqlPolicyStore } from './adapters/sql-policy-store.js';
import { wireAudit } from './audit-wiring.js';
import { versionMigrations } from './adapters/version-migrations.js';
import { bootstrap } from './bootstrap/bootstrap.js';
import type { PolicyConfig } from './config.js';
import { onBundlePublished } from './events/on-bundle-published.js';
import { PolicyBook } from './policy-book.js';
import { PutPolicies } from './put-policies.js';
import { startRefresh } from './refresh.js';
import { IssuerRegistry } from './issuers/issuer-registry.js';
import { issuersRpc } from './rpc/issuers.rpc.js';
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
  const audit = await wireAudit(host, config);
  const enforcement = await openEnforcement({ ...host, service: 'policy', localEngine: engine, log: audit.log });
  const { identity } = enforcement;
  const store = new SqlPolicyStore(database);
  const book = new PolicyBook({ engine, store, signer: identity, logger });
  const hints = new BusPolicyHints(bus, logger);
  const putPolicies = new PutPolicies({ store, book, hints, verifier: identity });

  await database.migrate([...policyMigrations, ...versionMigrations]);
  const issuersAdded = await bootstrap(config.bootstrapDir, { store, verifier: identity, logger });
  await book.refresh();
  await audit.start((name) => book.current(name) !== undefined);
  await bus.declare({ exchanges: [policyEvents] });
  const consumer = await onBundlePublished(bus, book, logger);
  const { allowPrivateKeyUris: allowPrivate = false } = keyFetching(host.environment);
  const { hostOrganisation } = config;
  const issuerStore = new SqlIssuerStore(database);
  const issuers = new IssuerRegistry({ store: issuerStore, book, hints, hostOrganisation, allowPrivate });
  const versions = wireVersions({ database, book, putPolicies, verifier: identity, logger });
  await versions.shadow.refresh();
  const services = [
    versions.rpc,
    policyRpc({ book, putPolicies, shadow: versions.shadow, now: Date.now, log: audit.log }),
    searchRpc({ book, now: Date.now }),
    issuersRpc(issuers),
    audit.rpc,
  ];
  const server = await serveRpc({ address: host.listen, services, authenticate: enforcement.authenticate, logger });
  const refresh = startRefresh(versions.refreshing(book), { everyMs: config.refreshMs, logger });
  if (issuersAdded) await hints.issuersChanged();

  return {
    book,
    putPolicies,
    address: server.address,
    readiness: () => readiness(host, book),
    close: async () => {
      await server.stop();
      await consumer.stop();
      await refresh.stop();
      await versions.shadow.flush();
      await enforcement.close();
      await audit.close();
    },
  };
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
