/** What grpc-js asks of credentials, on top of transport-security.ts. Certificates that change are used from the next connection on. */
import { ChannelCredentials, credentials, ServerCredentials } from '@grpc/grpc-js';
import type { TransportSecurity } from './transport-security.js';

class ReloadedServerCredentials extends ServerCredentials {
  readonly stop: () => void;

  constructor(security: TransportSecurity) {
    const { requestCert, rejectUnauthorized, handshakeTimeout } = security.serverOptions;
    super({ requestCert, rejectUnauthorized, handshakeTimeout }, security.material);
    this.stop = security.onChange((material) => this.updateSecureContextOptions(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** `stop` when the server is gone. */
export function serverCredentials(security: TransportSecurity): ServerCredentials & { readonly stop: () => void } {
  return new ReloadedServerCredentials(security);
}

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type ConnectorParts = Parameters<ChannelCredentials['_createSecureConnector']>;

class ReloadedChannelCredentials extends ChannelCredentials {
  constructor(
    private readonly security: TransportSecurity,
    private readonly service: string,
  ) {
    super();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...parts: ConnectorParts): Connector {
    const now = (): Connector => {
      const { secureContext, checkServerIdentity } = this.security.clientOptions(this.service);
      return credentials
        .createFromSecureContext(secureContext, { checkServerIdentity })
        ._createSecureConnector(...parts);
    };
    const first = now();
    return {
      connect: (socket) => now().connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => first.getCallCredentials(),
      destroy: () => {},
    };
  }
}

export function channelCredentials(security: TransportSecurity, service: string): ChannelCredentials {
  return new ReloadedChannelCredentials(security, service);
}
