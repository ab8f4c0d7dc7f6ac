/** What leaves this service signed, built: bundles, deltas, revocations, heartbeats, and the faces of both. */
import { localPolicySource, type ConsistencyPoint, type PolicySource, type RevocationBook } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { RevocationChange, ServiceIdentity } from '@cogmesh/identity';
import type { DecisionEngine } from '@cogmesh/policy-core';
import type { ServiceBinding } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import { revocationMigrations } from './adapters/revocation-migrations.js';
import { SqlPolicyStore } from './adapters/sql-policy-store.js';
import { SqlRevocationStore } from './adapters/sql-revocation-store.js';
import type { PolicyConfig } from './config.js';
import { BundleDesk } from './distribution/bundle-desk.js';
import { BundlePress } from './distribution/bundle-press.js';
import type { News } from './distribution/news.js';
import { onRevocationsChanged } from './events/on-revocations-changed.js';
import { PolicyBook } from './policy-book.js';
import type { PolicyHints } from './policy-hints.js';
import { startRefresh } from './refresh.js';
import { RevocationLedger } from './revocations/revocation-ledger.js';
import { Revoke } from './revocations/revoke.js';
import { revocationRpc } from './rpc/revocation.rpc.js';

export interface Distribution {
  readonly book: PolicyBook;
  readonly desk: BundleDesk;
  readonly source: PolicySource;
  readonly rpc: ServiceBinding;
  /** Reads what is revoked, and follows it. After the tables of policies are there. */
  start(): Promise<void>;
  /** Answers every question that is kept; before the server stops. */
  release(): void;
  close(): Promise<void>;
}

interface DistributionParts {
  readonly host: Pick<ServiceHost, 'database' | 'bus' | 'logger'>;
  readonly config: Pick<PolicyConfig, 'bundleTtlSeconds' | 'refreshMs'>;
  readonly engine: DecisionEngine;
  readonly identity: ServiceIdentity;
  readonly hints: PolicyHints;
  /** Filled here. */
  readonly revocations: RevocationBook;
  readonly news: News;
}

export function wireDistribution({ host, config, engine, identity, ...parts }: DistributionParts): Distribution {
  const { database, bus, logger } = host;
  const { hints, revocations, news } = parts;
  const revocationStore = new SqlRevocationStore(database);
  const onRevoked = (changes: readonly RevocationChange[]): void => {
    book.reviewGrants(new Set(changes.map(({ organisation }) => organisation)));
    news.changed();
  };
  const ledger = new RevocationLedger({ store: revocationStore, signer: identity, revocations, onChange: onRevoked });
  const store = new SqlPolicyStore(database);
  const book = new PolicyBook({ engine, store, signer: identity, logger, revocations, onChange: news.changed });
  const press = new BundlePress({ signer: identity, ttlMs: config.bundleTtlSeconds * 1000, now: Date.now });
  const revoke = new Revoke({ store: revocationStore, ledger, book, hints, logger });
  const stops: (() => Promise<void>)[] = [];
  return {
    book,
    desk: new BundleDesk({ book, ledger, press, news, signer: identity, logger }),
    source: localPolicySource(engine, { revocations, onChange: news.follow, atLeast: atLeastOf(book, ledger) }),
    rpc: revocationRpc(revoke, revocationStore),
    start: async () => {
      await database.migrate(revocationMigrations);
      await ledger.refresh();
      const consumer = await onRevocationsChanged(bus, ledger, logger);
      const refreshing = {
        refresh: async () => {
          await ledger.refresh();
          await revocationStore.sweep();
        },
      };
      const refresh = startRefresh(refreshing, { everyMs: config.refreshMs, logger });
      stops.push(
        () => consumer.stop(),
        () => refresh.stop(),
      );
    },
    release: () => news.close(),
    close: async () => {
      for (const stop of stops) await stop();
    },
  };
}

/** What is not here yet may have been written by another instance: the database is asked once. */
function atLeastOf(book: PolicyBook, ledger: RevocationLedger): PolicySource['atLeast'] {
  const has = ({ epochs, revocations }: ConsistencyPoint): boolean =>
    ledger.revocations.epoch >= revocations &&
    Object.entries(epochs).every(([name, epoch]) => (book.current(name)?.epoch ?? 0) >= epoch);
  return async (wanted) => {
    if (has(wanted)) return;
    await Promise.all([book.refresh(), ledger.refresh()]);
    if (has(wanted)) return;
    throw new CogmeshError(
      'stale_policy',
      'the write that this call must see has not arrived here; try again shortly',
      {
        retryAfterSeconds: 1,
      },
    );
  };
}
