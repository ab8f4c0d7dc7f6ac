/**
 * Mutual TLS between services: one certificate, its key and the authority that both sides ask for, read from files and read again
 * when they change. TLS 1.3 only, no session tickets (each connection shows its certificate). Who the peer is comes from
 * the DNS names of its certificate; what it may do is not decided here. Unix sockets stay as they are.
 */
import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, TLSSocket, type PeerCertificate, type SecureContextOptions } from 'node:tls';
import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';

/** Who is at the other end of a connection, as its certificate says. */
export interface Peer {
  /** DNS names of the certificate: the service's own, or those of a sidecar (`sidecar`, `<service>-sidecar`). */
  readonly names: readonly string[];
  /** End of the certificate, milliseconds since 1970: an open connection outlives it otherwise. */
  readonly expiresAtMs: number;
}

export interface TransportSecurityFiles {
  /** PEM: the certificate, and those between it and the authority. */
  readonly cert: string;
  /** PEM: the private key of that certificate. */
  readonly key: string;
  /** PEM: the authorities whose certificates are believed. */
  readonly ca: string;
}

export interface TransportSecurityOptions {
  readonly files: TransportSecurityFiles;
  /** How often the files are looked at, milliseconds. Default 5,000. */
  readonly reloadMs?: number;
  readonly logger?: Logger;
}

/** What either side of a handshake is made of. */
type Material = Pick<SecureContextOptions, 'cert' | 'key' | 'ca' | 'minVersion' | 'secureOptions'>;

const DEFAULT_RELOAD_MS = 5_000;
/** How long a peer may take for its handshake, milliseconds. */
const HANDSHAKE_MS = 10_000;

export class TransportSecurity {
  readonly #options: TransportSecurityOptions;
  readonly #listeners = new Set<(material: Material) => void>();
  readonly #timer: NodeJS.Timeout;
  #texts: string;
  #material: Material;

  /** Throws `invalid_config` when a file cannot be read or they do not belong together. */
  constructor(options: TransportSecurityOptions) {
    this.#options = options;
    [this.#texts, this.#material] = readMaterial(options.files);
    this.#timer = setInterval(() => this.reload(), options.reloadMs ?? DEFAULT_RELOAD_MS).unref();
  }

  /** For `createSecureServer`, with `onChange` for what comes later. A client without a certificate of ours is refused. */
  get serverOptions() {
    return { ...this.#material, requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_MS } as const;
  }

  get material(): Material {
    return this.#material;
  }

  /** For `tls.connect`: the far side has to be `service` itself or the sidecar in front of it. */
  clientOptions(service: string) {
    const names = [service, sidecarName(service)];
    return {
      secureContext: createSecureContext(this.#material),
      ALPNProtocols: ['h2'],
      servername: service,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => refuseOther(names, certificate),
    };
  }

  /** Told when other files are in force; new connections are made with them. Answers how to stop. */
  onChange(listener: (material: Material) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Looks at the files now. Files that do not belong together, or are half written, change nothing and are told. */
  reload(): void {
    try {
      const [texts, material] = readMaterial(this.#options.files);
      if (texts === this.#texts) return;
      [this.#texts, this.#material] = [texts, material];
      for (const listener of this.#listeners) listener(material);
      this.#options.logger?.info('the certificates of this service were read again');
    } catch (error) {
      this.#options.logger?.warn({ err: error }, 'the changed certificates of this service are not used');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}

/** DNS name of the sidecar in front of a service. */
export const sidecarName = (service: string): string => `${service}-sidecar`;

/** Who is at the other end; undefined where the connection has no TLS or showed no certificate that is believed. */
export function peerOf(socket: unknown): Peer | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  return peerOfCertificate(socket.getPeerCertificate());
}

export function peerOfCertificate(certificate: PeerCertificate): Peer | undefined {
  if (!certificate.raw) return undefined;
  return { names: dnsNames(certificate.subjectaltname), expiresAtMs: Date.parse(certificate.valid_to) };
}

/** Only plain names: whoever asks compares them with names of services. */
function dnsNames(subjectAltName = ''): string[] {
  return subjectAltName.split(', ').flatMap((entry) => /^DNS:([a-z0-9][a-z0-9.-]*)$/.exec(entry)?.[1] ?? []);
}

function refuseOther(names: readonly string[], certificate: PeerCertificate): Error | undefined {
  const found = dnsNames(certificate.subjectaltname);
  if (found.some((name) => names.includes(name))) return undefined;
  return new Error(`the certificate is of ${found.join(', ') || 'nobody'}, not of ${names.join(' or ')}`);
}

function readMaterial({ cert, key, ca }: TransportSecurityFiles): [string, Material] {
  const [certText, keyText, caText] = [read(cert), read(key), read(ca)];
  try {
    if (!new X509Certificate(certText).checkPrivateKey(createPrivateKey(keyText)))
      throw new CogmeshError('invalid_config', `the key in ${key} is not that of the certificate in ${cert}`);
    new X509Certificate(caText);
    const material: Material = {
      ...{ cert: certText, key: keyText, ca: caText, minVersion: 'TLSv1.3' },
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
    createSecureContext(material);
    return [[certText, keyText, caText].join('\n'), material];
  } catch (error) {
    if (error instanceof CogmeshError) throw error;
    throw new CogmeshError(
      'invalid_config',
      `${cert}, ${key} and ${ca} are not a certificate, its key and an authority in PEM; make them with "cogmesh keys certificates"`,
      {},
      { cause: error },
    );
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CogmeshError('invalid_config', `${path} cannot be read`, {}, { cause: error });
  }
}
