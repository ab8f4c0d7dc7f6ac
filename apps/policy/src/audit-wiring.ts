/**
 * The decision log, built: its store and one writer, the log of this service's own decisions, which goes to the writer without a
 * network, and retention. Nothing is chained before `start`, since only then it is known which organisations exist.
 */
import { openDecisionLog, type OpenedDecisionLog, type ShipDecisions } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceBinding } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import { auditMigrations } from './adapters/audit-migrations.js';
import { SqlAuditStore } from './adapters/sql-audit-store.js';
import { AuditWriter } from './audit/audit-writer.js';
import { startAuditRetention } from './audit/retention.js';
import type { PolicyConfig } from './config.js';
import { auditRpc } from './rpc/audit.rpc.js';

export interface AuditParts {
  /** Of the decisions this service makes for others, and about its own calls. */
  readonly log: OpenedDecisionLog;
  readonly rpc: ServiceBinding;
  /** Makes the tables and lets entries in; what is no organisation then gets no chain. */
  start(isOrganisation: (name: string) => boolean): Promise<void>;
  close(): Promise<void>;
}

const dayMs = 86_400_000;

export async function wireAudit(host: ServiceHost, config: PolicyConfig): Promise<AuditParts> {
  const { database, logger } = host;
  let exists: ((name: string) => boolean) | undefined;
  let retention: ReturnType<typeof startAuditRetention> | undefined;
  const store = new SqlAuditStore(database);
  const writer = new AuditWriter({ store, isOrganisation: (name) => exists?.(name) ?? false });
  const ship: ShipDecisions = (batch) => {
    if (exists !== undefined) return writer.append(batch, 'policy');
    return Promise.reject(new CogmeshError('unavailable', 'the decision log has not started yet'));
  };
  const { dataDir: dir, environment } = host;
  const log = await openDecisionLog({ point: 'policy', dir, environment, logger, ship });
  return {
    log,
    rpc: auditRpc({ store, writer }),
    start: async (isOrganisation) => {
      await database.migrate(auditMigrations);
      exists = isOrganisation;
      const keepMs = config.auditKeepDays * dayMs;
      retention = startAuditRetention({ store, keepMs, everyMs: config.auditSweepMs, logger });
    },
    close: async () => {
      await log.close();
      await retention?.stop();
    },
  };
}
