/**
 * The private authority of a data directory and the certificates it gives for mutual TLS (docs/guides/tls.md): ECDSA over P-256, one
 * certificate per service and per sidecar, whose DNS names say who it is. What exists stays until a third of its time is left.
 * Whoever may read the authority's key can be any service: it is needed only to make certificates.
 */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate as NodeCertificate } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { CogmeshError } from '@cogmesh/errors';
import { keyFiles, readIfPresent, writeSecretFile } from './key-files.js';

cryptoProvider.set(webcrypto);

type CryptoKey = webcrypto.CryptoKey;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const authorityDays = 3_650;
const DEFAULT_DAYS = 90;
/** Certificates start a little earlier, for clocks that are behind, milliseconds. */
const backdatedMs = 300_000;

const guarded = ['policy', 'scheduler', 'registry', 'worker'] as const;

/** Every service's own certificate, and that of the sidecar in front of it. */
export const certificateNames: readonly string[] = [
  'gateway',
  ...guarded.flatMap((service) => [service, `${service}-sidecar`]),
];

export interface CertificateOptions {
  /** More names than those of the services, for example of agents. */
  readonly names?: readonly string[];
  /** How long certificates are good, days. Default 90. */
  readonly days?: number;
  /** Makes all of them anew. */
  readonly renew?: boolean;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

interface Authority {
  readonly certificate: X509Certificate;
  readonly key: CryptoKey;
}

/** Makes what is missing or near its end under `certificates/`, files 0600; answers the names that got a new certificate. */
export async function ensureCertificates(dir: string, options: CertificateOptions = {}): Promise<string[]> {
  const { names = [], days = DEFAULT_DAYS, renew = false, now = Date.now } = options;
  for (const name of names) assertOwnName(name);
  assertDays(days);
  const authority = await ensureAuthority(dir, now());
  const made: string[] = [];
  for (const name of [...certificateNames, ...names]) {
    if (!renew && (await isFresh(dir, name, { authority, now: now() }))) continue;
    await makeCertificate(dir, name, { authority, days, now: now() });
    made.push(name);
  }
  return made;
}

function assertDays(days: number): void {
  if (Number.isInteger(days) && days >= 1 && days <= authorityDays) return;
  throw new CogmeshError('invalid_argument', `certificates are good for 1 to ${authorityDays} whole days`);
}

/** Nobody is to get the authority's file or the name of a sidecar by choosing a name. */
function assertOwnName(name: string): void {
  if (/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name) && name !== 'ca' && !name.endsWith('sidecar')) return;
  throw new CogmeshError(
    'invalid_argument',
    `"${name}" is not a name for a certificate: lower-case letters, digits, "." and "-", not "ca" and nothing that ends with "sidecar"`,
  );
}

async function ensureAuthority(dir: string, now: number): Promise<Authority> {
  const [pem, keyPem] = [
    await readIfPresent(keyFiles.certificate(dir, 'ca')),
    await readIfPresent(keyFiles.certificateKey(dir, 'ca')),
  ];
  if (pem !== undefined && keyPem !== undefined)
    return { certificate: new X509Certificate(pem), key: await importKey(keyPem) };
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: 'CN=Cogmesh private authority',
    ...validity(now, authorityDays),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await writePair(dir, 'ca', { certificate, key: keys.privateKey });
  return { certificate, key: keys.privateKey };
}

interface Making {
  readonly authority: Authority;
  readonly days: number;
  readonly now: number;
}

async function makeCertificate(dir: string, name: string, { authority, days, now }: Making): Promise<void> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=${name}`,
    issuer: authority.certificate.subject,
    ...validity(now, days),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(dnsNamesOf(name).map((value) => ({ type: 'dns', value }))),
      await AuthorityKeyIdentifierExtension.create(authority.certificate),
    ],
  });
  await writePair(dir, name, { certificate, key: keys.privateKey });
}

/** A sidecar acts under the one name `sidecar`, and is reached as the sidecar of its service. */
const dnsNamesOf = (name: string): string[] => (name.endsWith('-sidecar') ? ['sidecar', name] : [name]);

async function isFresh(dir: string, name: string, { authority, now }: Omit<Making, 'days'>): Promise<boolean> {
  const [pem, key] = [
    await readIfPresent(keyFiles.certificate(dir, name)),
    await readIfPresent(keyFiles.certificateKey(dir, name)),
  ];
  if (pem === undefined || key === undefined) return false;
  const certificate = new NodeCertificate(pem);
  if (!certificate.verify(new NodeCertificate(authority.certificate.toString('pem')).publicKey)) return false;
  if (!certificate.checkPrivateKey(createPrivateKey(key))) return false;
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  return now < to - (to - from) / 3;
}

async function writePair(dir: string, name: string, { certificate, key }: Authority): Promise<void> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  // The key first: a reader that meets the new key with the old certificate waits for the pair.
  await writeSecretFile(keyFiles.certificateKey(dir, name), `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`);
  await writeSecretFile(keyFiles.certificate(dir, name), `${certificate.toString('pem')}\n`);
}

const generateKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

async function importKey(pem: string): Promise<CryptoKey> {
  const der = PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
}

const validity = (now: number, days: number) => ({
  notBefore: new Date(now - backdatedMs),
  notAfter: new Date(now + days * dayMs),
});

/** Positive and random, as RFC 5280 wants it. */
const newSerial = (): string => `01${randomBytes(15).toString('hex')}`;
