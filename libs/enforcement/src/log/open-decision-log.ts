/** The decision log of one enforcement point, from its settings: spool, log, and the shipper between it and the policy service. */
import { join } from 'node:path';
import { loadConfig, type Environment } from '@cogmesh/config';
import { policyAuditV1 } from '@cogmesh/contracts';
import type { ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type TransportSecurity } from '@cogmesh/rpc';
import { spanNames, withSpan, type Logger } from '@cogmesh/telemetry';
import { authorisation } from '../authorisation.js';
import { unsampledParent } from '../unsampled.js';
import { decisionLogConfig } from './config.js';
import { SpooledLog, type DecisionLog } from './decision-log.js';
import { shipTimeoutMs } from './limits.js';
import { Shipper, type ShipDecisions } from './shipper.js';
import { Spool } from './spool.js';

export interface OpenDecisionLogOptions {
  /** `gateway`, or the service that is guarded. */
  readonly point: string;
  /** Folder of this enforcement point; decisions are spooled under `decision-log/`. */
  readonly dir: string;
  readonly environment: Environment;
  readonly logger: Logger;
  /** Where decisions go. */
  readonly ship: ShipDecisions;
}

export interface OpenedDecisionLog extends DecisionLog {
  /** Decisions that were only counted for want of room, since the start. */
  dropped(): number;
  /** Writes what is gathered, and ships what a moment allows. */
  close(): Promise<void>;
}

/** Throws `invalid_config` for bad settings, and what the disk throws when the folder cannot be used. */
export async function openDecisionLog(options: OpenDecisionLogOptions): Promise<OpenedDecisionLog> {
  const { point, logger, ship } = options;
  const config = loadConfig(decisionLogConfig, options.environment);
  const dir = join(options.dir, 'decision-log');
  const spool = await Spool.open({ dir, maxBytes: config.spoolBytes, sync: config.sync, logger });
  const shipper = new Shipper({ spool, ship, everyMs: config.shipMs, logger });
  const log = new SpooledLog({ spool, point, config, logger, onWritten: () => shipper.poke() });
  shipper.start();
  return {
    record: (question, decisions, options) => log.record(question, decisions, options),
    dropped: () => log.dropped,
    close: async () => {
      await log.flush().catch(() => undefined);
      await shipper.stop();
      await spool.close();
    },
  };
}

export interface OpenShippedLogOptions extends Omit<OpenDecisionLogOptions, 'ship'> {
  readonly identity: Pick<ServiceIdentity, 'serviceToken'>;
  /** gRPC address of the policy service or its sidecar. */
  readonly policyAddress: string;
  /** Mutual TLS of this process. */
  readonly security?: TransportSecurity | undefined;
}

/** A decision log that ships over a channel of its own, as the service whose identity it is. */
export async function openShippedLog(options: OpenShippedLogOptions): Promise<OpenedDecisionLog> {
  const { identity, policyAddress } = options;
  const channel = openChannel({
    target: policyAddress,
    authorize: authorisation(identity, 'policy'),
    secure: { security: options.security, service: 'policy' },
  });
  const client = createClient(policyAuditV1.AuditService, channel);
  const ship: ShipDecisions = async ({ spoolId, after, records }, signal) => {
    const message = {
      spoolId,
      after: BigInt(after),
      records: records.map(({ sequence, json }) => ({ sequence: BigInt(sequence), recordJson: json })),
    };
    const { accepted } = await withSpan(spanNames.enforce, { parent: unsampledParent() }, () =>
      client.append(message, { deadlineMs: shipTimeoutMs, signal }),
    );
    return Number(accepted);
  };
  const log = await openDecisionLog({ ...options, ship });
  const close = async (): Promise<void> => {
    await log.close();
    channel.close();
  };
  return { ...log, close };
}
