/** Versions and candidates, built: their store, the book that tries candidates out, and their face. */
import type { Database } from '@cogmesh/database';
import type { ServiceBinding } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import { SqlAuditStore } from './adapters/sql-audit-store.js';
import { SqlVersionStore } from './adapters/sql-version-store.js';
import type { GrantVerifier } from './checked-policies.js';
import type { PolicyBook } from './policy-book.js';
import type { PutPolicies } from './put-policies.js';
import { versionsRpc } from './rpc/versions.rpc.js';
import { AuditedDecisions } from './versions/audited-decisions.js';
import { PolicyVersions } from './versions/policy-versions.js';
import { ShadowBook } from './versions/shadow-book.js';

interface VersionsHost {
  readonly database: Database;
  readonly book: PolicyBook;
  readonly putPolicies: PutPolicies;
  readonly verifier: GrantVerifier;
  readonly logger: Logger;
}

export interface VersionsParts {
  readonly shadow: ShadowBook;
  readonly rpc: ServiceBinding;
  /** Reads policies and candidates again. */
  refreshing(book: PolicyBook): { refresh(): Promise<void> };
}

export function wireVersions({ database, book, putPolicies, verifier, logger }: VersionsHost): VersionsParts {
  const store = new SqlVersionStore(database);
  const shadow = new ShadowBook({ store, verifier, liveOf: (name) => book.policiesOf(name), logger });
  const recorded = new AuditedDecisions(new SqlAuditStore(database));
  const versions = new PolicyVersions({ store, book, shadow, putPolicies, verifier, recorded });
  return {
    shadow,
    rpc: versionsRpc(versions),
    refreshing: (policies) => ({
      refresh: async () => {
        await policies.refresh();
        await shadow.refresh();
      },
    }),
  };
}
