/**
 * Where the gateway may listen. Plain text leaves this machine only when somebody says that TLS ends in front of us, and the
 * development issuer never does: whoever can read its key can be anybody.
 */
import { CogmeshError } from '@cogmesh/errors';
import { assertDevelopmentAllowed } from '@cogmesh/identity';
import type { GatewayConfig } from './config.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:7000` or `[::1]:7000`. Rejects with `invalid_config`. */
export function parseAddress(text: string): Address {
  const { v6, v4, port } = /^(?:\[(?<v6>[0-9a-f:]+)\]|(?<v4>[^:\s]+)):(?<port>\d{1,5})$/i.exec(text)?.groups ?? {};
  const host = v6 ?? v4;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new CogmeshError('invalid_config', `"${text}" is not an address; write host:port, for example 127.0.0.1:7000`);
}

export const isLoopback = (address: string): boolean =>
  address.startsWith('unix:') || /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(parseAddress(address).host);

/** Refuses (`invalid_config`) to start on listeners the configuration does not allow. */
export function assertListenersAllowed(config: GatewayConfig, grpcListen: string, mutualTls = false): void {
  const { httpListen, publicGrpcListen, tlsTerminated, dev } = config;
  const grpc = [grpcListen, publicGrpcListen].filter((address) => address !== '');
  if (dev) assertDevelopmentAllowed([httpListen, ...grpc]);
  if ((config.tlsCert === '') !== (config.tlsKey === '')) {
    throw new CogmeshError('invalid_config', 'COGMESH_TLS_CERT and COGMESH_TLS_KEY are set together or not at all');
  }
  const plain = [
    ...(config.tlsCert === '' ? [httpListen] : []),
    ...(mutualTls ? [publicGrpcListen].filter((address) => address !== '') : grpc),
  ].filter((address) => !isLoopback(address));
  if (plain.length === 0 || tlsTerminated) return;
  throw new CogmeshError(
    'invalid_config',
    `${plain.join(', ')} can be reached from other machines without TLS; set COGMESH_TLS_CERT and COGMESH_TLS_KEY (REST), ` +
      'COGMESH_MTLS_CERT, COGMESH_MTLS_KEY and COGMESH_MTLS_CA (gRPC between services), ' +
      'or COGMESH_TLS_TERMINATED=1 when TLS ends in front of it',
    { listeners: plain },
  );
}
