/**
 * The gateway as a service: the edge of the mesh. It serves REST and, on the gRPC listener, the public face and the blob
 * service. Decides nothing itself: who may do what is the policy service's to say.
 */
import type { AddressInfo } from 'node:net';
import { serveRpc, type RpcServer } from '@cogmesh/rpc';
import { bootHttp, type RunningService, type ServiceDefinition, type ServiceHost } from '@cogmesh/service';
import { AppModule } from './app.module.js';
import { blobMigrations } from './adapters/sql-blob-records.js';
import { gatewayConfig, type GatewayConfig } from './config.js';
import { onIssuersChanged } from './events/on-issuers-changed.js';
import { prepareServer, serverOptions } from './http/server.js';
import { assertListenersAllowed, parseAddress } from './listeners.js';
import { wire, type Wiring } from './wiring.js';

export const gatewayService: ServiceDefinition<typeof gatewayConfig.settings> = {
  name: 'gateway',
  config: gatewayConfig,
  needs: { bus: true, database: true },
  start: startGateway,
};

async function startGateway(host: ServiceHost, config: GatewayConfig): Promise<RunningService> {
  assertListenersAllowed(config, host.listen, host.security !== undefined);
  await host.database.migrate(blobMigrations);
  const wiring = await wire(host, config);
  // Closed in reverse order, by a failed start as by a stop.
  const opened: (() => Promise<unknown>)[] = [wiring.close];
  const closeAll = async () => {
    for (const close of opened.toReversed()) await close();
  };
  try {
    wiring.issuers.start();
    void wiring.replica.start().catch((thrown: unknown) => {
      host.logger.error({ err: thrown }, 'what is revoked cannot be followed; every call is refused as stale');
    });
    wiring.sweeper.start();
    const hints = await onIssuersChanged(host.bus, wiring.issuers);
    opened.push(() => hints.stop());
    const grpc = await serveInside(host, wiring);
    opened.push(() => grpc.stop());
    const publicGrpc = await servePublic(host, config, wiring);
    if (publicGrpc !== undefined) opened.push(() => publicGrpc.stop());
    const http = await serveHttp(config, wiring);
    opened.push(() => http.stop());
    return {
      addresses: { http: http.url, grpc: (publicGrpc ?? grpc).address },
      readiness: () => wiring.http.readiness.forAnybody(),
      stop: closeAll,
    };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

function serveInside({ listen, logger, security }: ServiceHost, { rpc }: Wiring): Promise<RpcServer> {
  return serveRpc({
    address: listen,
    services: [rpc.public, rpc.blobs],
    authenticate: rpc.authenticate,
    logger,
    security,
  });
}

async function servePublic(
  { logger }: ServiceHost,
  config: GatewayConfig,
  { rpc }: Wiring,
): Promise<RpcServer | undefined> {
  if (config.publicGrpcListen === '') return undefined;
  return serveRpc({ address: config.publicGrpcListen, services: [rpc.public], authenticate: rpc.authenticate, logger });
}

/** How long a stop waits for requests in flight before it cuts their connections, milliseconds. */
const stopGraceMs = 10_000;

async function serveHttp(config: GatewayConfig, { http }: Wiring) {
  const app = await bootHttp(AppModule.of(http), http.logger, serverOptions(config, http.logger));
  const prepared = prepareServer(app.getHttpAdapter().getInstance(), config, http.logger);
  const { host, port } = parseAddress(config.httpListen);
  await app.listen(port, host);
  const server = app.getHttpServer();
  const { address, family, port: bound } = server.address() as AddressInfo;
  const scheme = config.tlsCert === '' ? 'http' : 'https';
  return {
    url: `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    stop: async () => {
      prepared.closeConnections();
      const cut = setTimeout(() => server.closeAllConnections(), stopGraceMs);
      const closed = app.close();
      // The listener waits for its requests, and a watch would never end by itself.
      await http.streams.close();
      await closed;
      clearTimeout(cut);
    },
  };
}
